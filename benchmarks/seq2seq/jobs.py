"""The jobs of the clients: sources of mixed length from real prose, all with the same number of new tokens."""

import random

import numpy as np
from tokenizers import Tokenizer

from benchmarks.generation.jobs import Job, text_of

SOURCE_TOKENS = (16, 200)
NEW_TOKENS = 48
"""Every side is forbidden to generate the end-of-sequence token before."""
SEED = 11


def make_jobs(tokenizer: Tokenizer, num_jobs: int) -> list[Job]:
    """Return jobs whose lengths are distributed uniformly over the range; the same ones for the same Python."""
    draw = random.Random(SEED)
    num_special = tokenizer.num_special_tokens_to_add(False)
    texts = [
        text_of(tokenizer, draw.randint(*SOURCE_TOKENS) - num_special, draw.randrange(1 << 30))[0]
        for _ in range(num_jobs)
    ]
    return [Job(text, np.array(tokenizer.encode(text).ids, np.int64), NEW_TOKENS) for text in texts]
