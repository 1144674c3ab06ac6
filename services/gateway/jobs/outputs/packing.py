"""What crosses to the child process that makes a large answer: the job with its output, and what is needed besides."""

from typing import TypeVar

import msgspec

from contracts.jobs import Job

T = TypeVar("T", bound=msgspec.Struct)


def pack(job: Job, details: msgspec.Struct) -> bytes:
    """Return both as bytes. The output is copied, not parsed."""
    return msgspec.msgpack.encode((job, details))


def unpack(packed: bytes, kind: type[T]) -> tuple[Job, T]:
    """Return what was packed; ``kind`` is the type of the details."""
    return msgspec.msgpack.decode(packed, type=tuple[Job, kind])  # type: ignore[valid-type]
