"""Settings of the gateway, read once from the environment when the process starts."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from contracts.settings import bare_address, setting
from contracts.task_names import parse_task
from contracts.tasks import TASKS
from services.gateway.processes.number import default_processes
from services.gateway.tenant_settings import TenantSettings

_HOST_NAME = re.compile(r"[a-z0-9._-]+")


def _default_models(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        task, _, model = (word.strip() for word in part.partition("="))
        if not model:
            raise ValueError(part)
        found[parse_task(task, among=TASKS)] = model
    return found


def _host_names(text: str) -> frozenset[str]:
    names = (bare_address(part.strip().lower()).removesuffix(".") for part in text.split(","))
    return frozenset(
        # As browsers write it: an address of IPv6 may be written in several ways.
        name if name == "*" or _HOST_NAME.fullmatch(name) else str(ipaddress.ip_address(name))
        for name in filter(None, names)
    )


@dataclass(frozen=True)
class GatewaySettings(TenantSettings):
    """How one gateway listens, and what it lets a client ask for. Limits hold for all its processes together."""

    host: str = setting(
        "TRIPTYCH_HOST",
        "127.0.0.1",
        convert=bare_address,
        expected="a name or an address",
        help="Address to listen on. Any address but loopback needs API keys, or TRIPTYCH_ALLOW_OPEN=1.",
    )
    allowed_hosts: frozenset[str] = setting(
        "TRIPTYCH_ALLOWED_HOSTS",
        frozenset(),
        convert=_host_names,
        expected="names or addresses without ports, with commas between them, or *",
        help="Names by which clients reach a gateway without API keys, besides localhost, loopback addresses and the "
        "address that it listens on; `*` for any. A web page could have its own name point to the gateway, so requests "
        "for other names are refused, but for /livez, /readyz and /metrics.",
    )
    port: int = setting("TRIPTYCH_PORT", 8080, least=1, most=65535, help="TCP port to listen on.")
    processes: int = setting(
        "TRIPTYCH_GATEWAY_PROCESSES",
        1,
        least=1,
        most=64,
        computed=True,
        help="Processes that serve requests, on one port. Default: the CPUs of this machine or container, at most "
        "4, and one for each 256 MB of its memory.",
    )
    allow_open: bool = setting(
        "TRIPTYCH_ALLOW_OPEN",
        False,
        help="Serve on any address without API keys while no key exists. Everybody who reaches the address can use it.",
    )
    max_body_bytes: int = setting(
        "TRIPTYCH_MAX_BODY_BYTES",
        8 * 1024 * 1024,
        least=1024,
        most=2**30,
        unit="bytes",
        help="Larger request bodies are refused with 413 before they are read.",
    )
    max_bodies_bytes: int = setting(
        "TRIPTYCH_MAX_BODIES_BYTES",
        64 * 1024 * 1024,
        least=64 * 1024,
        most=2**36,
        unit="bytes",
        help="Bytes of all request bodies that may be on their way into the store at once; less than twice "
        "TRIPTYCH_MAX_BODY_BYTES counts as that. Beyond it, requests are refused with 503. Memory is about four times "
        "as much.",
    )
    body_timeout_s: float = setting(
        "TRIPTYCH_BODY_TIMEOUT_S",
        30.0,
        least=0.1,
        most=600,
        unit="seconds",
        help="A request whose body takes longer to arrive ends with 408.",
    )
    send_timeout_s: float = setting(
        "TRIPTYCH_SEND_TIMEOUT_S",
        60.0,
        least=1,
        most=3600,
        unit="seconds",
        help="A client that reads nothing of its response for this long is disconnected (on Linux).",
    )
    max_wait_s: float = setting(
        "TRIPTYCH_MAX_WAIT_S",
        60.0,
        least=0,
        most=600,
        unit="seconds",
        help="Longest time that one request waits for its job.",
    )
    deadline_s: float = setting(
        "TRIPTYCH_DEADLINE_S",
        900.0,
        least=1,
        most=86_400,
        unit="seconds",
        help="Time from submit to the end of a job that is not bulk, if its request sets no deadline_s. A job that is "
        "late expires.",
    )
    bulk_deadline_s: float = setting(
        "TRIPTYCH_BULK_DEADLINE_S",
        86_400.0,
        least=1,
        most=86_400,
        unit="seconds",
        help="The same for a job with the priority bulk.",
    )
    timeout_s: float = setting(
        "TRIPTYCH_TIMEOUT_S",
        600.0,
        least=1,
        most=86_400,
        unit="seconds",
        help="Time for one attempt of a job, if its request sets no timeout_s. A bulk job has until its deadline.",
    )
    ttl_s: float = setting(
        "TRIPTYCH_TTL_S",
        3600.0,
        least=1,
        most=604_800,
        unit="seconds",
        help="How long a finished job is kept, if its request sets no ttl_s.",
    )
    delivered_ttl_s: float = setting(
        "TRIPTYCH_DELIVERED_TTL_S",
        300.0,
        least=1,
        most=604_800,
        unit="seconds",
        help="How long a finished job is kept once its client has received the output, if its request set neither "
        "ttl_s nor an Idempotency-Key; TRIPTYCH_TTL_S at most. While the store is nearly full, such jobs go earlier.",
    )
    max_waiting: int = setting(
        "TRIPTYCH_MAX_WAITING",
        200_000,
        least=1,
        most=10**9,
        unit="jobs",
        help="Jobs that may wait for one model. Beyond it, submits are refused with 503.",
    )
    max_idempotency_keys: int = setting(
        "TRIPTYCH_MAX_IDEMPOTENCY_KEYS",
        100_000,
        least=0,
        most=10**9,
        unit="keys",
        help="Idempotency-Keys that one tenant may use in 24 hours; each takes 300 bytes of the store's memory for so "
        "long. Beyond it, submits with a new key are refused with 429.",
    )
    max_streams: int = setting(
        "TRIPTYCH_MAX_STREAMS",
        500,
        least=0,
        most=100_000,
        unit="streams",
        help="Event streams that the gateway keeps open at once, in all its processes; further ones are refused with "
        "503.",
    )
    max_tenant_streams: int = setting(
        "TRIPTYCH_MAX_TENANT_STREAMS",
        100,
        least=0,
        most=100_000,
        unit="streams",
        help="Event streams of one tenant that the gateway keeps open at once; further ones are refused with 429. "
        "While requests need no key, all clients are one tenant, and this limit does not hold.",
    )
    max_connections: int = setting(
        "TRIPTYCH_MAX_CONNECTIONS",
        2000,
        least=10,
        most=100_000,
        unit="connections",
        help="Client connections that the gateway keeps open at once; each of its processes takes its share of them.",
    )
    default_models: Mapping[str, str] = setting(
        "TRIPTYCH_DEFAULT_MODELS",
        {},
        convert=_default_models,
        expected=f"TASK=MODEL,… of {', '.join(TASKS)}",
        help="Model of a task for requests that name none, as `embed=NAME,classify=NAME`. A task without an entry uses "
        "the model that was announced first, until the gateway's command `models default TASK MODEL` changes it.",
    )

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the settings, by default from the environment of this process.

        Raises:
            SettingsError: a value that can't be used.
        """
        return cls._read(variables, {"processes": default_processes()})

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def always_needs_key(self) -> bool:
        """Whether requests need an API key even while no key exists."""
        return not (self.on_loopback or self.allow_open)
