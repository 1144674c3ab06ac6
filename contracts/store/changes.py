"""What the store publishes of jobs that change, to the gateway processes that wait for them.

Who waits for the end of a job gets its record with it, unless that is large: this saves a round trip for each request.
"""

from typing import NamedTuple

import msgspec


class Change(NamedTuple):
    """The state that a job has now, and if it has ended perhaps its record: the values of ``records.FIELDS``."""

    job_id: str
    status: str
    record: list[bytes | None] | None


class _Entry(msgspec.Struct, array_like=True):
    """A change as ``publish_changes`` of lua/common/flush.lua writes it, where a field that is missing is false."""

    job_id: str
    status: str
    texts: list[str | bool] | None = None
    num_bytes: int = -1
    """Of the output, which comes after all entries; -1 if there is none."""


_read_entries = msgspec.json.Decoder(list[_Entry]).decode


def changes_from(message: bytes) -> list[Change]:
    """Return what a message says.

    Anything else is from another version, or somebody else, and says nothing: those who wait also look at the record.
    """
    head, _, outputs = message.partition(b"\n")
    try:
        entries, has_records = _entries_of(head)
    except msgspec.DecodeError:
        return []
    changes, position = [], 0
    for entry in entries:
        record = None
        if entry.texts is not None and has_records:
            end = position + max(0, entry.num_bytes)
            record = [value.encode() if isinstance(value, str) else None for value in entry.texts]
            record.append(outputs[position:end] if entry.num_bytes >= 0 else None)
            position = end
        changes.append(Change(entry.job_id, entry.status, record))
    return changes


def _entries_of(head: bytes) -> tuple[list[_Entry], bool]:
    """Return the entries, and whether their texts are those of the records."""
    try:
        return _read_entries(head), True
    except UnicodeDecodeError:  # some record has text that nobody of us has written; a read will find the fault
        return _read_entries(head.decode(errors="replace")), False
