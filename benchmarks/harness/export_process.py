"""A peer in the export environment: a process that stays loaded from round to round.

It runs a module that reads one JSON document from each line of its input and writes one line with the answer.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.harness.report import BenchError
from benchmarks.harness.stack import ROOT

EXPORT_PYTHON = ROOT / ".venv-export" / "bin" / "python"


class ExportProcess:
    """A running module of the export environment.

    Args:
        module: the module to run.
        arguments: of its command line.

    Raises:
        BenchError: there is no export environment.
    """

    def __init__(self, module: str, *arguments: str | Path) -> None:
        if not EXPORT_PYTHON.exists():
            raise BenchError(f"{EXPORT_PYTHON} is missing: run `make setup-export`")
        self._module = module
        self._process = subprocess.Popen(
            [EXPORT_PYTHON, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},  # no request to the hub in a measured time
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def ask(self, document: object) -> Any:
        """Send a document and return the answer.

        Raises:
            BenchError: the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None, "PIPE above"
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self._module} ended; its error message is printed above")
        return json.loads(line)
