"""A process that renders one chat template: `python launcher.py … template_process.py CPU_S MAX_CHARACTERS`.

A template is a program that comes with a package. jinja2's sandbox denies it access to files and to Python, but does
not stop endless loops or the use of all memory, and a single long C call can't even be interrupted. In a process of its
own the kernel can stop it, and it has nothing to read or to write to (docs/decisions/0016). `workers.decoder.chat`
starts this file by its path, so that it imports nothing of Triptych.

It reads JSON documents from standard input, one per line: first the template, then the variables of each rendering. It
replies to each with one line: ``{"text": …}``, ``{"raised": …}`` if the template itself refuses the conversation, or
``{"failed": …}``. The environment is that of transformers' ``apply_chat_template``.
"""

import json
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

# The message becomes part of an API error, and a template can raise one of megabytes.
_MAX_MESSAGE = 1000


class _Raised(jinja2.TemplateError):
    """A template called ``raise_exception``."""


class _Generation(jinja2.ext.Extension):
    """``{% generation %}``, which marks the assistant's messages for training. Here it only renders its content."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it as a mutable class attribute)

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        """Return the statements of the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        # In transformers the block is a call block, whose assignments do not reach the rest of the template.
        return jinja2.nodes.Scope(body, lineno=line)


def environment() -> ImmutableSandboxedEnvironment:
    """Return the environment in which templates are compiled."""
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
    """Dump JSON without jinja2's escaping for HTML, which would show up in prompts."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: Any) -> NoReturn:
    raise _Raised(str(message)[:_MAX_MESSAGE])


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)  # local time, as in transformers


def _answer(make: Callable[[], dict[str, Any]]) -> None:
    try:
        reply = json.dumps(make(), ensure_ascii=False).encode()  # fails on a lone surrogate, which is no text
    except _Raised as error:
        reply = json.dumps({"raised": str(error)}).encode()
    except Exception as error:  # a template can raise anything
        reply = json.dumps({"failed": f"{type(error).__name__}: {error}"[:_MAX_MESSAGE]}).encode()
    sys.stdout.buffer.write(reply + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """Render until standard input ends."""
    cpu_s, max_characters = float(sys.argv[1]), int(sys.argv[2])
    template: jinja2.Template | None = None

    def read(document: Any) -> dict[str, Any]:
        nonlocal template
        if template is None:
            template = environment().from_string(document)
            return {"text": ""}
        text = template.render(document)
        if len(text) > max_characters:
            raise OverflowError(f"the prompt is longer than {max_characters} characters")
        return {"text": text}

    for line in sys.stdin.buffer:
        # The timer counts CPU time, so that a busy machine fails no request. Its signal, SIGPROF, ends the process.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        _answer(lambda line=line: read(json.loads(line)))  # type: ignore[misc]
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
