"""One process of the export environment for a whole session, since importing torch takes longer than a tiny export.

Reads requests from stdin, one JSON list ``[module, function, argument]`` a line, and answers each with a JSON line on
stdout: ``{"result": …}``, or ``{"raised": traceback}``.
"""

import importlib
import io
import json
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT


class ExportProcess:
    """The process as tests see it; it is started with the first call."""

    def __init__(self, python: Path, log: Path) -> None:
        self._command = [str(python), "-m", "tests.exports.export_process"]
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def call(self, module: str, function: str, argument: Any) -> Any:
        """Call a function there and return its result; argument and result are JSON."""
        if self._process is None:
            with self._log.open("w") as log:
                self._process = subprocess.Popen(
                    self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
                )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([module, function, argument]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._log.read_text()
        answer = json.loads(line)
        assert "raised" not in answer, answer["raised"]
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


def run_command(arguments: list[str]) -> dict[str, str | int]:
    """Run a command line of `onnx_models`; return its exit status and what it printed."""
    from onnx_models.command_line.cli import main

    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        status = main(arguments)
    return {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


def answer(module: str, function: str, argument: Any) -> dict[str, Any]:
    """Return the answer to one request."""
    try:
        with redirect_stdout(sys.stderr):
            return {"result": getattr(importlib.import_module(module), function)(argument)}
    except Exception:
        return {"raised": traceback.format_exc()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), flush=True)
