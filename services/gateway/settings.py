"""Settings of the gateway, read once from the environment when the process starts."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.settings import Environment, SettingsError
from contracts.tasks import TASKS


@dataclass(frozen=True)
class GatewaySettings:
    """How one gateway process listens, and what it lets a client ask for."""

    host: str = "127.0.0.1"
    """TRIPTYCH_HOST: address to listen on; anything but loopback needs API keys, or TRIPTYCH_ALLOW_OPEN=1."""
    port: int = 8080
    """TRIPTYCH_PORT: TCP port to listen on."""
    allow_open: bool = False
    """TRIPTYCH_ALLOW_OPEN: serve without API keys on any address, as long as there are no keys."""
    max_body_bytes: int = 8 * 1024 * 1024
    """TRIPTYCH_MAX_BODY_BYTES: larger request bodies are refused with 413 before they are read."""
    body_timeout_s: float = 30.0
    """TRIPTYCH_BODY_TIMEOUT_S: a request body that takes longer to arrive is given up with 408."""
    send_timeout_s: float = 60.0
    """TRIPTYCH_SEND_TIMEOUT_S: a client that takes nothing of its answer for this long counts as gone (on Linux)."""
    max_wait_s: float = 60.0
    """TRIPTYCH_MAX_WAIT_S: longest time that one request waits for its job."""
    deadline_s: float = 900.0
    """TRIPTYCH_DEADLINE_S: time from submit to done where the request names none."""
    timeout_s: float = 600.0
    """TRIPTYCH_TIMEOUT_S: time for one execution where the request names none."""
    ttl_s: float = 3600.0
    """TRIPTYCH_TTL_S: time that a finished job is kept where the request names none."""
    max_waiting: int = 200_000
    """TRIPTYCH_MAX_WAITING: jobs that may wait for one model; beyond it submits are refused with 503."""
    max_active: int = 200_000
    """TRIPTYCH_MAX_ACTIVE: unfinished jobs that one tenant may have; beyond it submits are refused with 429."""
    max_streams: int = 500
    """TRIPTYCH_MAX_STREAMS: event streams that may be open in this process at once."""
    max_connections: int = 2000
    """TRIPTYCH_MAX_CONNECTIONS: client connections that may be open in this process at once."""
    default_models: Mapping[str, str] = field(default_factory=dict)
    """TRIPTYCH_DEFAULT_MODELS: model of a task where the request names none, as `embed=NAME,classify=NAME`.
    A task without an entry uses the first announced model in alphabetical order."""
    log_level: str = "INFO"
    """TRIPTYCH_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""

    @classmethod
    def read(cls, env: Environment) -> "GatewaySettings":
        """Read the variables named above.

        Raises:
            SettingsError: a value that can't be used.
        """
        level = env.text("TRIPTYCH_LOG_LEVEL", cls.log_level).upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise SettingsError(f"TRIPTYCH_LOG_LEVEL={level}: expected DEBUG, INFO, WARNING or ERROR")
        return cls(
            host=env.text("TRIPTYCH_HOST", cls.host),
            port=env.integer("TRIPTYCH_PORT", cls.port, least=1, most=65535),
            allow_open=env.flag("TRIPTYCH_ALLOW_OPEN"),
            max_body_bytes=env.integer("TRIPTYCH_MAX_BODY_BYTES", cls.max_body_bytes, least=1024, most=2**30),
            body_timeout_s=env.number("TRIPTYCH_BODY_TIMEOUT_S", cls.body_timeout_s, least=0.1, most=600),
            send_timeout_s=env.number("TRIPTYCH_SEND_TIMEOUT_S", cls.send_timeout_s, least=1, most=3600),
            max_wait_s=env.number("TRIPTYCH_MAX_WAIT_S", cls.max_wait_s, least=0, most=600),
            deadline_s=env.number("TRIPTYCH_DEADLINE_S", cls.deadline_s, least=1, most=86_400),
            timeout_s=env.number("TRIPTYCH_TIMEOUT_S", cls.timeout_s, least=1, most=86_400),
            ttl_s=env.number("TRIPTYCH_TTL_S", cls.ttl_s, least=1, most=604_800),
            max_waiting=env.integer("TRIPTYCH_MAX_WAITING", cls.max_waiting, least=1, most=10**9),
            max_active=env.integer("TRIPTYCH_MAX_ACTIVE", cls.max_active, least=1, most=10**9),
            max_streams=env.integer("TRIPTYCH_MAX_STREAMS", cls.max_streams, least=0, most=100_000),
            max_connections=env.integer("TRIPTYCH_MAX_CONNECTIONS", cls.max_connections, least=10, most=100_000),
            default_models=_default_models(env.text("TRIPTYCH_DEFAULT_MODELS", "")),
            log_level=level,
        )

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


def _default_models(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        task, _, model = (word.strip() for word in part.partition("="))
        if task not in TASKS or not model:
            raise SettingsError(f"TRIPTYCH_DEFAULT_MODELS={text}: expected TASK=MODEL,… of {', '.join(TASKS)}")
        found[task] = model
    return found
