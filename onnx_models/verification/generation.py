"""Compare the generation of small models that have an encoder or a memory instead of a growing cache."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onnx_models.verification.comparison import Comparison

Floats = NDArray[np.float32]
Generated = tuple[list[int], Floats]
"""Tokens of the reference, and the logits that each was chosen from, float32 [tokens, vocabulary]."""


class Generator(Protocol):
    """A package that continues several prompts, or answers several sources, as one batch."""

    def forced_logits(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        """Feed the given tokens after each prompt (teacher forcing).

        Returns:
            For each row the logits that each of its tokens would be chosen from, float32 [tokens, vocabulary].
        """
        ...

    def generate(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """Return the greedily decoded tokens of each row."""
        ...


def compare_generation(
    found: Comparison, served: Generator, prompts: Sequence[Sequence[int]], expected: Sequence[Generated]
) -> None:
    """Compare logits in a batch and alone, and greedy tokens, of equally many tokens for each prompt.

    Logits are compared on the reference's tokens: after a first different token the two would continue different texts,
    and nothing could be compared any more.
    """
    tokens = [row for row, _ in expected]
    batched = served.forced_logits(prompts, tokens)
    for prompt, logits, (forced, reference) in zip(prompts, batched, expected, strict=True):
        found.add(logits, reference)
        found.add_batched(served.forced_logits([prompt], [forced])[0], logits)
    for generated, reference_tokens in zip(served.generate(prompts, len(tokens[0])), tokens, strict=True):
        found.add_tokens(generated, reference_tokens)
