"""A process that writes long texts side by side with the worker's engine and prints what it held of memory.

``python -m benchmarks.decoder.memory_probe PACKAGE ROWS PROMPT_TOKENS NEW_TOKENS``; started by
``benchmarks.decoder.memory``.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.decoder.bare_loop import load_decoder
from contracts.generation import TextDelta
from contracts.jobs import Claim
from workers.decoder.model import DecoderModel
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.process.memory import give_back

TIMEOUT_S = 600.0


class Nobody:
    """An audience that is told and does not listen."""

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Take what jobs have grown by."""

    def flush(self, attempt: Attempt, timeout_s: float) -> bool:
        """Return that everything is told."""
        return True


def _attempt(job_id: str) -> Attempt:
    return Attempt(
        Claim(id=job_id, attempt=1, task="generate", model="", request=b"", timeout_s=TIMEOUT_S, suspect=False)
    )


def memory_mb(name: str) -> float:
    """Return a line of this process's status in MB (10^6 bytes): VmRSS is what it holds, VmHWM the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


def write(engine: DecodingEngine, model: DecoderModel, num_rows: int, num_prompt: int, num_new: int) -> None:
    """Write so many texts side by side."""
    draw = np.random.default_rng(num_rows)
    prompts = draw.integers(0, model.cache.vocabulary, (num_rows, num_prompt))
    requests = [GenerationRequest(prompt_ids=prompt, max_new_tokens=num_new) for prompt in prompts]
    handles = [engine.submit(model, [request], _attempt(str(row))) for row, request in enumerate(requests)]
    for handle in handles:
        if not handle.wait(TIMEOUT_S):
            raise TimeoutError("the texts are not written in time")
        handle.results()


def main() -> None:
    """Load, write all texts twice, and print what was held before, and the peak after each."""
    sizes = [int(argument) for argument in sys.argv[2:]]
    found = {"empty": memory_mb("VmRSS")}
    model = load_decoder(Path(sys.argv[1]))
    found["loading"] = memory_mb("VmHWM")
    give_back()  # as a worker does
    found["loaded"] = memory_mb("VmRSS")
    engine = DecodingEngine(Nobody())
    for name in ("once", "twice"):
        write(engine, model, *sizes)
        found[name] = memory_mb("VmHWM")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
