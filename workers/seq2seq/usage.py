"""Counts what a job used: tokens, chunks, truncated inputs."""

from dataclasses import dataclass, field

from contracts.jobs import Usage
from workers.seq2seq.source_tokenizer import EncoderInput


@dataclass
class UsageCounter:
    """The usage of one job so far; see `Usage`. Each encoder input counts with its special tokens and prompt."""

    items: int
    tokens_in: int = 0
    tokens_used: int = 0
    tokens_out: int = 0
    chunks: int = 0
    truncated: set[int] = field(default_factory=set)
    """Indices of truncated inputs."""

    def add_chunk(self, index: int, source: EncoderInput) -> None:
        """Count a chunk of the input with that index. ``tokens_in`` is left to the caller: chunks may overlap."""
        self.tokens_used += source.tokens_used
        self.chunks += 1
        if source.tokens_used < source.tokens_in:
            self.truncated.add(index)

    def usage(self) -> Usage:
        """Return the usage as the job's answer has it."""
        return Usage(
            items=self.items,
            tokens_in=self.tokens_in,
            tokens_used=self.tokens_used,
            truncated_items=len(self.truncated),
            tokens_out=self.tokens_out,
            chunks=self.chunks,
        )
