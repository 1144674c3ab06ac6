"""What is asked for: texts of mixed length, each to be turned into as many tokens as every other."""

import random
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.prompts import text_of
from workers.runtime.decoding.request import Ids

SOURCE_TOKENS = (16, 200)
NEW_TOKENS = 48
SEED = 11


@dataclass(frozen=True)
class Job:
    """One text to read. What is written has ``NEW_TOKENS`` tokens, since it may not end before."""

    text: str
    source_ids: Ids
    """int64 [tokens], as the encoder gets them: with the token that ends a text."""


def make_jobs(tokenizer: Tokenizer, num_jobs: int) -> list[Job]:
    """Return jobs whose lengths are spread evenly over the range; the same ones for the same Python."""
    draw = random.Random(SEED)
    num_special = tokenizer.num_special_tokens_to_add(False)
    texts = [
        text_of(tokenizer, draw.randint(*SOURCE_TOKENS) - num_special, draw.randrange(1 << 30))[0]
        for _ in range(num_jobs)
    ]
    return [Job(text, np.array(tokenizer.encode(text).ids, np.int64)) for text in texts]
