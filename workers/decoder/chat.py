"""Turns conversations into prompts with the chat template of the model package. Step 5 on the path of a job.

The template runs in a process of its own, `workers.decoder.template_process`, which limits its time and memory.
"""

import json
import selectors
import subprocess
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, Message
from contracts.model_package.files import PackageError
from workers.runtime.confinement.start import start_confined

CHAT_TEMPLATE = "chat_template.jinja"
CPU_S = 2.0
"""CPU time of one rendering. An ordinary template takes some milliseconds for a thousand messages."""
MEMORY_BYTES = 512 << 20
MAX_CHARACTERS = 16 << 20
_REPLY_TIMEOUT_S = 60.0
"""Wall time of one rendering. It is longer than `CPU_S`, because on a busy machine the process gets little CPU time."""
_PROGRAM = Path(__file__).with_name("template_process.py")


class ChatTemplate:
    """A package's chat template. Safe to use from any thread; a lock lets one thread render at a time.

    Args:
        source: the text of ``chat_template.jinja``.
        tokens: the special tokens that a template can use as variables: ``bos_token`` and the like, with their texts.

    Raises:
        PackageError: it is not a template, or compiling it takes too long.
    """

    def __init__(self, source: str, tokens: Mapping[str, str]) -> None:
        self._source = source
        self._tokens = dict(tokens)
        # One pipe carries the requests and replies of all threads, so they must alternate.
        self._lock = threading.Lock()
        self._process: _Process | None = None
        # Started now, so that a broken template refuses the package and does not fail its jobs.
        try:
            self._start()
        except _TemplateError as error:
            raise PackageError(f"{CHAT_TEMPLATE}: {error}") from error

    def render(self, conversation: Conversation, *, param: str) -> str:
        """Return the prompt for the assistant's next message.

        Args:
            conversation: the messages so far.
            param: the conversation's path in the request, for errors.

        Raises:
            InvalidRequest: the template refuses the conversation, or fails on it.
        """
        variables = {
            "messages": [_template_message(message) for message in conversation.messages],
            # Defined and empty, as in transformers: many templates test for them.
            "tools": None,
            "documents": None,
            "add_generation_prompt": True,
            **self._tokens,
        }
        with self._lock:
            try:
                return self._running().send(variables)
            except _TemplateRefusal as refusal:
                raise InvalidRequest(str(refusal), param=param) from refusal
            except _TemplateError as error:
                message = f"The model's chat template can't render these messages: {error}."
                raise InvalidRequest(message, param=param) from error

    def _running(self) -> "_Process":
        """Return the process, restarted if it has ended: a rendering may have exceeded its limits."""
        return self._process if self._process and self._process.alive else self._start()

    def _start(self) -> "_Process":
        process = _Process()
        # Kept only if the template compiles: an unreferenced process is killed.
        process.send(self._source)
        self._process = process
        return process


class _TemplateError(Exception):
    """A template can't be rendered; the message says why."""


class _TemplateRefusal(_TemplateError):
    """The template itself called ``raise_exception``; the message is its own."""


class _Process:
    """A running template process. It is killed when this object is garbage collected."""

    def __init__(self) -> None:
        limits = [str(limit) for limit in (CPU_S, MAX_CHARACTERS)]
        self._process = start_confined(_PROGRAM, *limits, memory_bytes=MEMORY_BYTES)
        # And no `__del__`: a finalizer also runs when the interpreter exits, and never twice.
        self._kill = weakref.finalize(self, _kill, self._process)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._kill.alive and self._process.poll() is None

    def send(self, document: Any) -> str:
        """Send a JSON document and return the text of the reply.

        Raises:
            _TemplateError: the process reports an error, or has ended.
        """
        # JSON escapes line breaks, so a document is always a single line.
        line = self._exchange(json.dumps(document).encode() + b"\n")
        if not line.endswith(b"\n"):
            # A late reply would be taken for that to the next request, so the process goes.
            self._kill()
            raise _TemplateError(f"that takes more than {CPU_S:g} s or too much memory")
        reply = json.loads(line)
        if "raised" in reply:
            raise _TemplateRefusal(reply["raised"])
        if "failed" in reply:
            raise _TemplateError(reply["failed"])
        return str(reply["text"])

    def _exchange(self, line: bytes) -> bytes:
        """Write a line and return the reply; without its line end if the process ended or took too long."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101 (PIPE above)
        try:
            # Neither side can block the other one: the process replies only after it has read the whole line.
            self._process.stdin.write(line)
            self._process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)
                # The process writes a reply at once, so after its first byte there is the rest, or the end of the file.
                return self._process.stdout.readline() if selector.select(_REPLY_TIMEOUT_S) else b""
        except OSError:  # a broken pipe: the process has ended
            return b""


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()  # closes the pipes and reaps the process, which would stay as a zombie


def _template_message(message: Message) -> dict[str, str]:
    """Return a message in the form that templates expect."""
    # Templates know content as one text only, and most of them do not know OpenAI's newer role "developer".
    role = "system" if message.role == "developer" else message.role
    name = {} if message.name is None else {"name": message.name}
    return {"role": role, "content": message.text, **name}
