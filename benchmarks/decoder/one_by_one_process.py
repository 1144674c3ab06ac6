"""The peer in the export environment: optimum's ``generate`` in a process that stays loaded from round to round."""

import json
import os
import subprocess
from collections.abc import Sequence

from benchmarks.decoder.jobs import Job
from benchmarks.decoder.models import Measured
from benchmarks.report import BenchError
from benchmarks.stack import ROOT

EXPORT_PYTHON = ROOT / ".venv-export" / "bin" / "python"


class OneByOne:
    """Runs jobs one after another with `benchmarks.decoder.one_by_one`."""

    def __init__(self, measured: Measured) -> None:
        if not EXPORT_PYTHON.exists():
            raise BenchError(f"{EXPORT_PYTHON} is missing: run `make setup-export`")
        command = [EXPORT_PYTHON, "-m", "benchmarks.decoder.one_by_one", measured.source, measured.concat]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def run(self, jobs: Sequence[Job]) -> tuple[float, list[list[int]]]:
        """Return the seconds that all jobs took, and each one's tokens."""
        assert self._process.stdin is not None and self._process.stdout is not None, "PIPE above"
        self._process.stdin.write(json.dumps([[job.prompt_ids.tolist(), job.max_new_tokens] for job in jobs]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("optimum's generate ended; what it says stands above")
        elapsed_s, tokens = json.loads(line)
        return float(elapsed_s), tokens
