"""Declares settings, reads them from environment variables, and holds those that gateways and workers share.

A group of settings is a frozen dataclass, and each of its fields is made by ``setting``. That one entry holds the name
of the variable, its default, its range and its help. The reader, `.env.example` and `--help` all use this table. A
process reads its environment once, when it starts; a value that it can't use ends it with one line that names it.
"""

import os
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self, TypeVar, cast

T = TypeVar("T")
_METADATA_KEY = "setting"
_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class SettingsError(Exception):
    """A variable has a value that can't be used; the message names the variable and what is expected."""


@dataclass(frozen=True)
class Setting:
    """One environment variable: how to read it, and how to describe it."""

    name: str
    help: str
    """What the setting does and what follows from it, in whole sentences."""
    default: str
    """The default, written as in the environment. Empty where there is none or where the process computes it."""
    convert: Callable[[str], Any]
    """Returns the value of a text that is not empty; raises ``ValueError`` for a text that can't be used."""
    expected: str
    """The values that are allowed, as it reads after the word "expected"."""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    """The value is never printed."""

    @property
    def description(self) -> str:
        """The help, with the values that are allowed."""
        if self.choices:
            return f"{self.help} Values: {self.expected}."
        limits = self.expected.partition(" from ")[2] if self.least is not None else ""
        return f"{self.help} From {limits}." if limits else self.help

    def parse(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            SettingsError: the text is no such value, or the value is out of range.
        """
        try:
            value = self.convert(text)
        except ValueError as error:
            raise self._refusal(text) from error
        in_range = value is None or self.least is None or self.most is None or self.least <= value <= self.most
        if not in_range or (self.choices and value not in self.choices):
            raise self._refusal(text)
        return value

    def _refusal(self, text: str) -> SettingsError:
        shown = self.name if self.secret else f"{self.name}={text}"
        return SettingsError(f"{shown}: expected {self.expected}")


def setting(
    name: str,
    default: T,
    *,
    help: str,
    convert: Callable[[str], T] | None = None,
    least: float | None = None,
    most: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    expected: str = "",
    secret: bool = False,
    computed: bool = False,
) -> T:
    """Return a dataclass field that is read from the environment variable ``name``.

    The type of ``default`` decides how the text is read, unless ``convert`` is given, which returns the value of a text
    or raises ``ValueError``; then ``expected`` says in words which values are allowed. Numbers are from ``least`` to
    ``most``, both in ``unit``; texts are one of ``choices``, if there are any. A ``secret`` is never printed. The
    default of a ``computed`` setting is known only when the process starts, so none is written down.
    """
    reader = convert or cast(Callable[[str], T], _CONVERTERS[type(default)])
    entry = Setting(
        name=name,
        help=help,
        default="" if computed else _as_text(default),
        convert=reader,
        expected=expected or _expected(reader, least, most, unit, choices),
        least=least,
        most=most,
        choices=choices,
        secret=secret,
    )
    if isinstance(default, dict):  # a dataclass takes no mutable default
        return cast(T, field(default_factory=default.copy, repr=not secret, metadata={_METADATA_KEY: entry}))
    # repr: a dataclass would show a secret wherever the settings are logged, and in tracebacks.
    return field(default=default, repr=not secret, metadata={_METADATA_KEY: entry})


@dataclass(frozen=True)
class Settings:
    """A group of settings. Fields that are not made by ``setting`` come from the class's own ``read``."""

    @classmethod
    def table(cls) -> dict[str, Setting]:
        """Return the settings of this group by the names of their fields, in order."""
        return {f.name: f.metadata[_METADATA_KEY] for f in fields(cls) if _METADATA_KEY in f.metadata}

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None) -> Self:
        """Read the settings from ``variables``, by default from the environment of this process.

        A variable that is empty or blank counts as not set.

        Raises:
            SettingsError: a value that can't be used.
        """
        return cls._read(variables)

    @classmethod
    def _read(
        cls, variables: Mapping[str, str] | None, defaults: Mapping[str, object] | None = None, **others: Any
    ) -> Self:
        """Read the settings; ``defaults`` replaces defaults of the table, ``others`` are fields outside of it."""
        found = os.environ if variables is None else variables
        values = dict(others)
        for field_name, entry in cls.table().items():
            default = entry.default if defaults is None else str(defaults.get(field_name, entry.default))
            # Env files and Compose pass a variable without a value as an empty one.
            if text := found.get(entry.name, "").strip() or default:
                values[field_name] = entry.parse(text)
        return cls(**values)


def help_text(*groups: type[Settings]) -> str:
    """Return all settings of some groups for `--help`, one paragraph each."""
    entries = (entry for group in groups for entry in group.table().values())
    return paragraphs((entry, f"default {entry.default}" if entry.default else "") for entry in entries)


def paragraphs(entries: Iterable[tuple[Setting, str]]) -> str:
    """Return entries for `--help`, one paragraph each: name, note in brackets, and description."""
    lines = []
    for entry, note in entries:
        lines.append(f"  {entry.name}" + (f" ({note})" if note else ""))
        lines += textwrap.wrap(entry.description, 100, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def whole_number(text: str) -> int:
    """Return a whole number; forms such as ``1e6`` are allowed.

    Raises:
        ValueError: the text is no number, or not a whole one.
    """
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def bare_address(text: str) -> str:
    """Return an address without the brackets that URLs put around those of IPv6."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def folders(text: str) -> tuple[Path, ...]:
    """Return the folders of a list with colons between them."""
    return tuple(Path(folder) for folder in text.split(":") if folder)


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error


_CONVERTERS: dict[type, Callable[[str], Any]] = {bool: _flag, int: whole_number, float: float, str: str}


def _expected(
    convert: Callable[[str], Any], least: float | None, most: float | None, unit: str, choices: tuple[str, ...]
) -> str:
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if convert is _flag:
        return "1 or 0"
    kind = {float: "a number", whole_number: "a whole number"}.get(convert, "a text")
    limits = "" if least is None or most is None else f" from {least:.15g} to {most:.15g}"
    return f"{kind}{limits} {unit}".rstrip()


def _as_text(default: object) -> str:
    match default:
        case None | {} | frozenset():
            return ""
        case bool() | float():
            # As people write it: 1 for True, 600 for 600.0.
            return f"{default:.15g}"
        case tuple():
            return ":".join(map(str, default))
        case _:
            return str(default)


def _redis_url(text: str) -> str:
    # Celery can't use Redis Cluster as a broker (CROSSSLOT). Refused here, it fails at the start and not at a job.
    if not text.startswith(("redis://", "rediss://")):
        raise ValueError("scheme")
    return text


@dataclass(frozen=True)
class StoreSettings(Settings):
    """Where the job store is, and the clocks of the job record. Must be equal in all processes of one deployment."""

    redis_url: str = setting(
        "TRIPTYCH_REDIS_URL",
        "redis://127.0.0.1:6379/0",
        convert=_redis_url,
        expected="redis:// or rediss:// (one server; no cluster)",
        # The URL may contain a password.
        secret=True,
        help="URL of one Redis 7.2 or newer, or Valkey, that holds the jobs and the queues. `rediss://` means TLS.",
    )
    lease_s: float = setting(
        "TRIPTYCH_LEASE_S",
        15.0,
        least=1,
        most=600,
        unit="seconds",
        help="A running job whose worker sends no heartbeat for this long goes back to its queue.",
    )
    max_crashes: int = setting(
        "TRIPTYCH_MAX_CRASHES",
        2,
        least=1,
        most=20,
        help="A job fails for good after this many workers died while they ran it as a suspect and alone.",
    )
