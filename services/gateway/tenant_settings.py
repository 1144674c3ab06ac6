"""Limits of tenants for which an operator has set none with `keys limits`."""

from dataclasses import dataclass, replace

from contracts.generation import DEFAULT_NEW_TOKENS
from contracts.limits import SETTINGS as NAMES
from contracts.settings import Setting, Settings, setting

_OTHERS = "`keys limits` sets another one for a tenant."


@dataclass(frozen=True)
class TenantSettings(Settings):
    """What one tenant may ask for and hold. While requests need no key, all clients are one tenant."""

    max_active: int = setting(
        NAMES["max_active"],
        200_000,
        least=1,
        most=10**9,
        unit="jobs",
        help=f"Unfinished jobs that one tenant may have. Beyond it, submits are refused with 429. {_OTHERS}",
    )
    tenant_max_bytes: int = setting(
        NAMES["max_bytes"],
        256 * 2**20,
        least=2**20,
        most=2**40,
        unit="bytes",
        help="Bytes that one tenant may hold in the store: requests of its unfinished jobs, results until it has "
        f"received them, and metadata and 1 KB for each such job. Beyond it, submits are refused with 429. {_OTHERS}",
    )
    tenant_max_tokens: int = setting(
        NAMES["max_tokens"],
        1_000_000,
        least=1,
        most=10**12,
        unit="tokens",
        help="Tokens that one request of a tenant may ask for: inputs times sequences (n, best_of, beams) times "
        f"max_new_tokens. A request to generate that sets none has {DEFAULT_NEW_TOKENS}; other tasks have a limit only "
        f"if the request sets one. Beyond it, submits are refused with 422. {_OTHERS}",
    )
    tenant_max_deadline_s: float = setting(
        NAMES["max_deadline_s"],
        86_400.0,
        least=1,
        most=86_400,
        unit="seconds",
        help=f"Longest deadline_s of a tenant's request. {_OTHERS}",
    )
    tenant_max_timeout_s: float = setting(
        NAMES["max_timeout_s"],
        86_400.0,
        least=1,
        most=86_400,
        unit="seconds",
        help=f"Longest timeout_s of a tenant's request. {_OTHERS}",
    )
    tenant_max_ttl_s: float = setting(
        NAMES["max_ttl_s"],
        604_800.0,
        least=1,
        most=604_800,
        unit="seconds",
        help=f"Longest ttl_s of a tenant's request. {_OTHERS}",
    )
    tenant_requests_per_minute: int = setting(
        NAMES["requests_per_minute"],
        0,
        least=0,
        most=10**9,
        unit="requests",
        help="Requests of one tenant a minute that submit a job; as many may come at once. Beyond it, they are refused "
        f"with 429. 0: as many as come. {_OTHERS}",
    )
    tenant_work_per_minute: int = setting(
        NAMES["work_per_minute"],
        0,
        least=0,
        most=10**9,
        unit="work-seconds",
        help="Work-seconds of one tenant a minute; as many may come at once. One is a second of a worker that is full. "
        "Beyond it, submits are refused with 429. One job may take more than that: it is accepted once nothing of them "
        f"is used, and the next one when what it took beyond has drained too. 0: as many as come. {_OTHERS}",
    )


_BY_VARIABLE = {entry.name: entry for entry in TenantSettings.table().values()}
_WEIGHT = Setting(
    "weight",
    "How much work the tenant's jobs get in relation to those of others, while both wait for one model.",
    "1",
    float,
    "a number from 0.01 to 100",
    least=0.01,
    most=100,
)


def _of_tenant(name: str) -> Setting:
    """Return the entry of a setting as one of the limit of that name."""
    entry = _BY_VARIABLE[NAMES[name]]
    return replace(entry, name=name, help=entry.help.removesuffix(_OTHERS).rstrip())


LIMITS = {"weight": _WEIGHT} | {name: _of_tenant(name) for name in NAMES}
"""How what an operator sets for a tenant is read, by its name. The weight is that of the tenant among others."""
RATES = ("requests_per_minute", "work_per_minute")
"""What a key may have of its own, too."""
