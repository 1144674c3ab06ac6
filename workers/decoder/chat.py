"""Conversations to prompts, by the chat template of the model's package. Step 5 on the path of a job.

The template runs in `workers.decoder.template_process`, with a budget for each conversation.
"""

import json
import selectors
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, Message
from contracts.model_package.files import PackageError

CHAT_TEMPLATE = "chat_template.jinja"
CPU_S = 2.0
"""A conversation of a thousand messages takes a template of the usual kind some milliseconds."""
MEMORY_BYTES = 512 << 20
MAX_CHARACTERS = 16 << 20
_ANSWER_S = 60.0
"""Of CPU time there is `CPU_S`; this is for a machine that is too busy to give it."""
_PROGRAM = Path(__file__).with_name("template_process.py")


class ChatTemplate:
    """A package's template. Safe to use from several threads: they take turns.

    Args:
        source: the text of ``chat_template.jinja``.
        tokens: what the template may name: ``bos_token`` and its like, by their texts.

    Raises:
        PackageError: it is not a template, or reading it takes too long.
    """

    def __init__(self, source: str, tokens: Mapping[str, str]) -> None:
        self._source = source
        self._tokens = dict(tokens)
        self._lock = threading.Lock()
        self._process: _Process | None = None
        try:
            self._start()
        except _Fault as fault:
            raise PackageError(f"{CHAT_TEMPLATE}: {fault}") from fault

    def render(self, conversation: Conversation, *, param: str) -> str:
        """Return a conversation as the prompt for the assistant's next message.

        Raises:
            InvalidRequest: the template refuses the conversation, or can't be run on it; ``param`` is where the
                conversation stands in the request.
        """
        variables = {
            "messages": [_as_template_sees(message) for message in conversation.messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
            **self._tokens,
        }
        with self._lock:
            try:
                return self._running().ask(variables)
            except _Raised as refusal:
                raise InvalidRequest(str(refusal), param=param) from refusal
            except _Fault as fault:
                message = f"The model's chat template can't write these messages: {fault}."
                raise InvalidRequest(message, param=param) from fault

    def _running(self) -> "_Process":
        """Return the process; a new one if it was ended, by us or by anybody."""
        return self._process if self._process and self._process.alive else self._start()

    def _start(self) -> "_Process":
        process = _Process()
        process.ask(self._source)
        self._process = process
        return process


class _Fault(Exception):
    """A template can't be rendered; the message says why."""


class _Raised(_Fault):
    """The template itself refused, in its own words."""


class _Process:
    """A running template process; it ends with this object."""

    def __init__(self) -> None:
        limits = [str(limit) for limit in (CPU_S, MEMORY_BYTES, MAX_CHARACTERS)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,  # a Ctrl-C in the worker's terminal is for the worker
        )
        self._end = weakref.finalize(self, _end, self._process)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._end.alive and self._process.poll() is None

    def ask(self, document: Any) -> str:
        """Send a document and return the text of the answer.

        Raises:
            _Fault: the process says so, or has ended.
        """
        line = self._exchange(json.dumps(document).encode() + b"\n")
        if not line.endswith(b"\n"):
            self._end()
            raise _Fault(f"that takes more than {CPU_S:g} s or too much memory")
        reply = json.loads(line)
        if "raised" in reply:
            raise _Raised(reply["raised"])
        if "failed" in reply:
            raise _Fault(reply["failed"])
        return str(reply["text"])

    def _exchange(self, line: bytes) -> bytes:
        """Return the line that answers a line; cut short if the process ends before it has answered."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 (PIPE above)
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)
                return self._process.stdout.readline() if selector.select(_ANSWER_S) else b""
        except OSError:
            return b""


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def _as_template_sees(message: Message) -> dict[str, str]:
    """Return a message as templates expect it: its content one text, its role no newer than they are."""
    role = "system" if message.role == "developer" else message.role
    name = {} if message.name is None else {"name": message.name}
    return {"role": role, "content": message.text, **name}
