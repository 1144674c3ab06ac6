"""The typed reader of environment variables, and the settings that gateways and workers share.

The environment is read once, when a process starts, into frozen dataclasses; other `settings.py` files build on the
reader here. A variable that can't be read ends the process with one line that names it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


class SettingsError(Exception):
    """A variable has a value that can't be used; the message names it and what is expected."""


class Environment:
    """Reads typed values out of environment variables, each within its range."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str) -> str:
        """Return a string; an empty variable counts as not set."""
        return self._variables.get(name, "").strip() or default

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean: 1/true/yes/on or 0/false/no/off."""
        value = self.text(name, "1" if default else "0").lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{name}={value}: expected 1 or 0")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number within ``least`` and ``most``."""
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError as error:
            raise SettingsError(f"{name}={value}: expected a number") from error
        if not least <= number <= most:
            raise SettingsError(f"{name}={value}: expected a number from {least:g} to {most:g}")
        return number

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within ``least`` and ``most``."""
        number = self.number(name, default, least=least, most=most)
        if number != int(number):
            raise SettingsError(f"{name}={number:g}: expected a whole number")
        return int(number)


@dataclass(frozen=True)
class StoreSettings:
    """Where the job store is, and the clocks of the job record. Must be equal in all processes of one deployment."""

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    """TRIPTYCH_REDIS_URL: one Redis >= 7.2 or Valkey, `redis://` or `rediss://`; holds the jobs and the queues."""
    lease_s: float = 15.0
    """TRIPTYCH_LEASE_S: a running job whose worker is silent for this long goes back to the queue."""
    republish_after_s: float = 5.0
    """TRIPTYCH_REPUBLISH_AFTER_S: a queued job is first checked for a lost message after this long."""
    max_crashes: int = 3
    """TRIPTYCH_MAX_CRASHES: a job that was running on this many workers when they died fails for good."""

    @classmethod
    def read(cls, env: Environment) -> "StoreSettings":
        """Read the variables named above.

        Raises:
            SettingsError: a value out of range, or a URL that this system can't use.
        """
        url = env.text("TRIPTYCH_REDIS_URL", cls.redis_url)
        if not url.startswith(("redis://", "rediss://")):
            # Redis Cluster can't be a Celery broker (CROSSSLOT), so it is refused here and not at the first job.
            raise SettingsError("TRIPTYCH_REDIS_URL: expected redis:// or rediss:// (one server; no cluster)")
        return cls(
            redis_url=url,
            lease_s=env.number("TRIPTYCH_LEASE_S", cls.lease_s, least=1, most=600),
            republish_after_s=env.number("TRIPTYCH_REPUBLISH_AFTER_S", cls.republish_after_s, least=0.2, most=60),
            max_crashes=env.integer("TRIPTYCH_MAX_CRASHES", cls.max_crashes, least=1, most=20),
        )
