"""Sums of the ledger by tenant, day, key and model, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.errors import InvalidRequest
from contracts.store.tenants.usage import Counts, Entry

Group = Literal["tenant", "day", "key", "model"]
GROUPS: tuple[Group, ...] = get_args(Group)
MAX_ROWS = 50_000
Key = Annotated[str, Meta(description="The id of an API key, the part between the underscores; empty without one.")]


class JobsByEnd(msgspec.Struct, frozen=True):
    """How many jobs have ended in each way. Those that were deleted before their end count as cancelled."""

    succeeded: int
    failed: int
    cancelled: int
    expired: int


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs have taken that ended on a day by the store's clock. It has the fields that `by` asks for."""

    tenant: str | UnsetType = UNSET
    day: Annotated[str, Meta(examples=["2026-01-31"], description="In UTC.")] | UnsetType = UNSET
    key: Key | UnsetType = UNSET
    model: str | UnsetType = UNSET
    jobs: JobsByEnd
    tokens_in: Annotated[int, Meta(description="Tokens that models read.")]
    tokens_out: Annotated[int, Meta(description="Tokens that were generated, in all sequences and beams.")]
    work_s: Annotated[
        float,
        Meta(description="Work-seconds: seconds of a worker that is full. Estimates for attempts that were cut off."),
    ]
    estimated_work_s: Annotated[float, Meta(description="The same, as estimated when the jobs were submitted.")]
    bytes_in: Annotated[int, Meta(description="Bytes of requests as they are stored: inputs and all parameters.")]
    bytes_out: Annotated[int, Meta(description="Bytes of outputs.")]


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """Usage from one day to another, both included."""

    object: Literal["usage"] = "usage"
    start: str
    end: str
    data: list[UsageRow]
    total: UsageRow


def rows_of(entries: Iterable[Entry], by: Sequence[Group]) -> list[UsageRow]:
    """Return the sums of entries for each combination of ``by``, sorted by it.

    Raises:
        InvalidRequest: there are more than ``MAX_ROWS``.
    """
    sums: dict[tuple[str, ...], Counts] = {}
    for entry in entries:
        place = tuple(str(getattr(entry, group)) for group in by)
        sums[place] = sums.get(place, Counts()) + entry.counts
        if len(sums) > MAX_ROWS:
            raise InvalidRequest(f"The report has more than {MAX_ROWS} rows. Ask for less time or detail.", param="by")
    return [_row(counts, dict(zip(by, place, strict=True))) for place, counts in sorted(sums.items())]


def report(rows: list[UsageRow], start: date, end: date, total: Counts) -> UsageReport:
    """Return rows as one document."""
    return UsageReport(start=str(start), end=str(end), data=rows, total=_row(total, {}))


def as_csv(rows: Sequence[UsageRow], by: Sequence[Group]) -> str:
    """Return rows as CSV (RFC 4180) with a head."""
    text = io.StringIO()
    writer = csv.writer(text)
    sums = [name for name in UsageRow.__struct_fields__ if name not in (*GROUPS, "jobs")]
    writer.writerow([*by, *JobsByEnd.__struct_fields__, *sums])
    for row in rows:
        writer.writerow(
            [
                *(getattr(row, group) for group in by),
                *msgspec.structs.astuple(row.jobs),
                *(getattr(row, s) for s in sums),
            ]
        )
    return text.getvalue()


def _row(counts: Counts, place: dict[Group, str]) -> UsageRow:
    fields: dict[str, Any] = dict(place.items())
    return UsageRow(
        **fields,
        jobs=JobsByEnd(counts.succeeded, counts.failed, counts.cancelled, counts.expired),
        tokens_in=counts.tokens_in,
        tokens_out=counts.tokens_out,
        work_s=counts.work_us / 1e6,
        estimated_work_s=counts.estimated_us / 1e6,
        bytes_in=counts.bytes_in,
        bytes_out=counts.bytes_out,
    )
