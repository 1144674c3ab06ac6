"""The route of usage. It reads the ledger in pieces, so that other requests have their turn."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal, get_args

from flask import Request, Response, request
from msgspec import Meta

from contracts.errors import InvalidRequest
from contracts.store.tenants.usage import KEPT_DAYS, Counts, Entry, UsageReader
from services.gateway.auth.api_keys import ApiKeys
from services.gateway.http.errors import AdminKeyNeeded
from services.gateway.http.operations import Operation, Parameter, ResponseSpec
from services.gateway.http.request_facts import current_facts
from services.gateway.http.responses import json_response, no_store
from services.gateway.monitoring.monitor import Monitor
from services.gateway.usage.report import GROUPS, Group, UsageReport, as_csv, report, rows_of

MAX_ACCOUNTS = 20_000
"""Days of tenants that one request reads."""
_DEFAULT_DAYS = 30
_LONG_AGO = 1970
"""A year before there was a ledger."""
_NAMES = ("start", "end", "by", "tenant", "format")
_Format = Literal["json", "csv"]
_Groups = Annotated[str, Meta(pattern="^({0})(,({0}))*$".format("|".join(GROUPS)))]
_DESCRIPTION = (
    "Sums of the jobs that have ended, from `start` to `end`. A job counts once, on the day of its end, within seconds "
    f"after it. Days are kept for {KEPT_DAYS} days."
)


class UsageRoutes:
    """The view of usage."""

    def __init__(self, usage: UsageReader, keys: ApiKeys, monitor: Monitor) -> None:
        self._usage = usage
        self._keys = keys
        self._monitor = monitor

    def read(self, tenant: str) -> Response:
        """Respond with what the tenant's jobs have taken, or those of all tenants if the key is an admin's."""
        key = self._keys.verified(current_facts().key_id)
        is_admin = key is not None and key.admin
        _refuse_unknown(request)
        start, end = self._days()
        by = _groups(request, ("tenant", "day") if is_admin else ("day",))
        tenants = self._tenants(tenant, start, is_admin=is_admin)
        if len(tenants) * ((end - start).days + 1) > MAX_ACCOUNTS:
            raise InvalidRequest(
                f"That is more than {MAX_ACCOUNTS} days of tenants. Ask for fewer days, or for one tenant.",
                param="start",
            )
        total: list[Counts] = [Counts()]
        rows = rows_of(_summed(self._usage.entries(tenants, start, end), total), by)
        if _wants_csv(request):
            return no_store(Response(as_csv(rows, by), mimetype="text/csv"))
        return json_response(report(rows, start, end, total[0]))

    def _days(self) -> tuple[date, date]:
        today = datetime.fromtimestamp(self._monitor.store_time(), UTC).date()
        end = _day(request, "end", today)
        start = _day(request, "start", end - timedelta(days=_DEFAULT_DAYS - 1))
        if not 0 <= (end - start).days <= KEPT_DAYS:
            raise InvalidRequest(
                f"Expected a day from {end - timedelta(days=KEPT_DAYS)} to {end}, which is `end`.", param="start"
            )
        return start, end

    def _tenants(self, own: str, start: date, *, is_admin: bool) -> list[str]:
        wanted = request.args.get("tenant")
        if wanted is not None:
            if wanted != own and not is_admin:
                raise AdminKeyNeeded(param="tenant")
            return [wanted]
        return self._usage.tenants(start) if is_admin else [own]

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        text = "The sums. As `text/csv`: a line for each row."
        responses = {200: ResponseSpec(text, UsageReport, text_types=("text/csv",))}
        parameters = (
            Parameter("start", "query", date, f"First day, `YYYY-MM-DD` in UTC. Default: {_DEFAULT_DAYS} days in all."),
            Parameter("end", "query", date, "Last day. Default: today."),
            Parameter(
                "by",
                "query",
                _Groups,
                f"What has rows of its own, of {', '.join(GROUPS)}, with commas. Default: `day`; for an admin key "
                "`tenant,day`.",
            ),
            Parameter("tenant", "query", str, "With an admin key: only this tenant. Default: all."),
            Parameter("format", "query", _Format, "`json` or `csv`. Default: CSV if `Accept` prefers it."),
        )
        return [
            Operation(
                "GET", "/v1/usage", self.read, "Usage", "Read what your jobs have taken", responses,
                description=_DESCRIPTION, parameters=parameters, errors=(403, 422),
            )
        ]  # fmt: skip


def _summed(entries: Iterator[Entry], total: list[Counts]) -> Iterator[Entry]:
    for entry in entries:
        total[0] += entry.counts
        yield entry


def _refuse_unknown(request: Request) -> None:
    unknown = next((name for name in request.args if name not in _NAMES), None)
    if unknown is not None:
        # Cut, because it is the client's and may be long.
        raise InvalidRequest(f"Unknown query parameter. Known: {', '.join(_NAMES)}.", param=unknown[:64])


def _day(request: Request, name: str, default: date) -> date:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise InvalidRequest("Expected a day as 2026-01-31.", param=name) from error
    if day.year <= _LONG_AGO:  # days before the first that there is overflow
        raise InvalidRequest(f"Expected a day after {_LONG_AGO}.", param=name)
    return day


def _groups(request: Request, default: tuple[Group, ...]) -> tuple[Group, ...]:
    text = request.args.get("by")
    if text is None:
        return default
    wanted = text.split(",")
    if not set(wanted) <= set(GROUPS):
        raise InvalidRequest(f"Expected some of {', '.join(GROUPS)}, with commas between them.", param="by")
    return tuple(group for group in GROUPS if group in wanted)


def _wants_csv(request: Request) -> bool:
    text = request.args.get("format")
    if text not in {None, *get_args(_Format)}:
        raise InvalidRequest("Expected json or csv.", param="format")
    accepted = request.accept_mimetypes.best_match(["application/json", "text/csv"], "application/json")
    return text == "csv" or (text is None and accepted == "text/csv")
