"""Run many command lines of `onnx_models` in one process, because importing torch takes longer than a tiny export.

Reads a JSON list of argument lists from stdin and writes a JSON list of {status, stdout, stderr} to stdout.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from onnx_models.command_line.cli import main


def run(arguments: list[str]) -> dict[str, str | int]:
    """Return what one command did."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        status = main(arguments)
    return {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


if __name__ == "__main__":
    results = [run(arguments) for arguments in json.load(sys.stdin)]
    print(json.dumps(results))
