"""What is asked for: prompts of mixed length out of real prose, each with the number of tokens to write after it."""

import random
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.prompts import text_of
from workers.runtime.decoding.request import Ids

PROMPT_TOKENS = (8, 200)
NEW_TOKENS = (48, 128)
SEED = 11


@dataclass(frozen=True)
class Job:
    """One text to continue. Greedy, so that every side of a comparison must write the same."""

    prompt: str
    prompt_ids: Ids
    max_new_tokens: int


def make_jobs(
    tokenizer: Tokenizer,
    num_jobs: int,
    prompt_tokens: tuple[int, int] = PROMPT_TOKENS,
    new_tokens: tuple[int, int] = NEW_TOKENS,
    seed: int = SEED,
) -> list[Job]:
    """Return jobs whose lengths are spread evenly over both ranges; the same ones for the same Python."""
    draw = random.Random(seed)
    return [
        make_job(tokenizer, draw.randint(*prompt_tokens), draw.randint(*new_tokens), draw.randrange(1 << 30))
        for _ in range(num_jobs)
    ]


def make_job(tokenizer: Tokenizer, num_prompt_tokens: int, max_new_tokens: int, seed: int) -> Job:
    """Return a job whose prompt has so many tokens, or one less where the last word does not allow it."""
    prompt, ids = text_of(tokenizer, num_prompt_tokens, seed)
    return Job(prompt, np.array(ids, np.int64), max_new_tokens)
