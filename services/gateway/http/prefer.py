"""The ``Prefer`` header (RFC 7240): whether a client waits for the output, how long, or wants just the job."""

import re
from dataclasses import dataclass

from flask import Request

# A name, perhaps a value, and perhaps parameters, which no preference known here has.
_PREFERENCE = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("[^"]*"|[^\s;,"]*))?\s*(?:;[^,]*)?""")
# A bounded number of digits, as in `query`: no text can become an infinite number.
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


@dataclass(frozen=True)
class Preference:
    """How long to wait for the job, and what to report in ``Preference-Applied`` ('' for nothing)."""

    wait_s: float
    applied: str = ""

    @property
    def only_the_job(self) -> bool:
        """Whether the client said that it does not wait at all."""
        return bool(self.applied) and self.wait_s == 0


def preference_of(request: Request, *, max_wait_s: float, default_wait_s: float | None = None) -> Preference:
    """Return what a request prefers. By default it waits as long as it may."""
    # Several headers of one name are the same as one with commas.
    header = ",".join(request.headers.getlist("Prefer"))
    return parse(header, default_wait_s=max_wait_s if default_wait_s is None else default_wait_s, max_wait_s=max_wait_s)


def parse(header: str, *, default_wait_s: float, max_wait_s: float) -> Preference:
    """Return what a ``Prefer`` header asks for.

    ``respond-async`` alone does not wait; ``wait=N``, with or without it, waits up to N seconds. The RFC has servers
    ignore preferences that they don't know or can't parse, and the first of two with the same name counts.
    """
    preferences: dict[str, str] = {}
    for match in _PREFERENCE.finditer(header):
        preferences.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    applied = ["respond-async"] if "respond-async" in preferences else []
    wait_s = 0.0 if applied else default_wait_s
    if _SECONDS.fullmatch(preferences.get("wait", "")):
        wait_s = min(float(preferences["wait"]), max_wait_s)
        applied.append(f"wait={wait_s:g}")
    return Preference(wait_s, ", ".join(applied))
