"""The jobs of the clients: prompts of mixed length from real prose, each with its number of new tokens."""

import random

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.jobs import Job, text_of

PROMPT_TOKENS = (8, 200)
NEW_TOKENS = (48, 128)
SEED = 11


def make_jobs(
    tokenizer: Tokenizer,
    num_jobs: int,
    prompt_tokens: tuple[int, int] = PROMPT_TOKENS,
    new_tokens: tuple[int, int] = NEW_TOKENS,
    seed: int = SEED,
) -> list[Job]:
    """Return jobs whose lengths are distributed uniformly over both ranges; the same ones for the same Python."""
    draw = random.Random(seed)
    return [
        make_job(tokenizer, draw.randint(*prompt_tokens), draw.randint(*new_tokens), draw.randrange(1 << 30))
        for _ in range(num_jobs)
    ]


def make_job(tokenizer: Tokenizer, num_prompt_tokens: int, max_new_tokens: int, seed: int) -> Job:
    """Return a job whose prompt has about ``num_prompt_tokens`` tokens, as ``text_of`` cuts it."""
    prompt, ids = text_of(tokenizer, num_prompt_tokens, seed)
    return Job(prompt, np.array(ids, np.int64), max_new_tokens)
