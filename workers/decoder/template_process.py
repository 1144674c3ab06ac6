"""A process that renders one chat template: `python -I template_process.py CPU_S MEMORY_BYTES MAX_CHARACTERS`.

A template is a program of whoever made the package. jinja2's sandbox keeps it from the machine, but not from looping
and not from eating memory, and one that does so inside of a single C call can't even be interrupted. Here the kernel
ends it. `workers.decoder.chat` starts this file by its path; it imports nothing of Triptych.

Reads JSON documents from standard input, one a line: first the template, then the variables of each rendering. Answers
each with a line: ``{"text": …}``, ``{"raised": …}`` for what the template itself says is wrong with a conversation, or
``{"failed": …}``. The environment is that of transformers' ``apply_chat_template``.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MAX_MESSAGE = 1000


class _Raised(jinja2.TemplateError):
    """A template called ``raise_exception``."""


class _Generation(jinja2.ext.Extension):
    """``{% generation %}``, with which templates mark for training what an assistant wrote: here it marks nothing."""

    tags = {"generation"}  # noqa: RUF012 (so it is in jinja2)

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        """Return the statements within."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body, lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Return where templates run."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _raise_exception
    made.globals["strftime_now"] = _strftime_now
    return made


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Unlike jinja2's own, it escapes nothing for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: Any) -> NoReturn:
    raise _Raised(str(message)[:_MAX_MESSAGE])


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


def _answer(make: Callable[[], dict[str, Any]]) -> None:
    try:
        reply = json.dumps(make(), ensure_ascii=False).encode()  # half a character can't be encoded, and is an error
    except _Raised as error:
        reply = json.dumps({"raised": str(error)}).encode()
    except Exception as error:  # a template can raise anything
        reply = json.dumps({"failed": f"{type(error).__name__}: {error}"[:_MAX_MESSAGE]}).encode()
    sys.stdout.buffer.write(reply + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Serve until standard input ends."""
    cpu_s, memory_bytes, max_characters = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    template: jinja2.Template | None = None

    def read(document: Any) -> dict[str, Any]:
        nonlocal template
        if template is None:
            template = environment().from_string(document)
            return {"text": ""}
        text = template.render(document)
        if len(text) > max_characters:
            raise OverflowError(f"the conversation became longer than {max_characters} characters")
        return {"text": text}

    for line in sys.stdin.buffer:
        # Of CPU time, so that a busy machine is nobody's fault; when it is over, the signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        _answer(lambda line=line: read(json.loads(line)))  # type: ignore[misc]
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
