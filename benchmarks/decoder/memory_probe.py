"""A process that generates long texts in one batch with the worker's engine, and prints its memory.

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
from workers.runtime.decoding.flush import Flush
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.process.memory import release_memory

TIMEOUT_S = 600.0


class NullSink:
    """A token sink that drops everything."""

    def emit(self, deltas: Mapping[Attempt, list[TextDelta]]) -> None:
        """Drop the deltas."""

    def flush(self, attempt: Attempt) -> Flush:
        """Return what is finished, since nothing is pending."""
        return Flush(attempt).end()


def _attempt(job_id: str) -> Attempt:
    return Attempt(Claim(id=job_id, attempt=1, task="generate", model="", request=b"", timeout_s=TIMEOUT_S))


def memory_mb(name: str) -> float:
    """Return a line of this process's status in MB (10^6 bytes): VmRSS is the resident size, VmHWM its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6


def generate(engine: DecodingEngine, model: DecoderModel, num_rows: int, num_prompt: int, num_new: int) -> None:
    """Generate ``num_rows`` texts in one batch."""
    draw = np.random.default_rng(num_rows)
    prompts = draw.integers(0, model.cache.vocab_size, (num_rows, num_prompt))
    requests = [GenerationRequest(prompt_ids=prompt, max_new_tokens=num_new) for prompt in prompts]
    handles = [engine.submit(model, [request], _attempt(str(row))) for row, request in enumerate(requests)]
    for handle in handles:
        if not handle.wait(TIMEOUT_S):
            raise TimeoutError("the texts were not generated in time")
        handle.results()


def main() -> None:
    """Load, generate all texts twice, and print the memory before, and the peak after each time."""
    sizes = [int(argument) for argument in sys.argv[2:]]
    found = {"empty": memory_mb("VmRSS")}
    model = load_decoder(Path(sys.argv[1]))
    found["loading"] = memory_mb("VmHWM")
    release_memory()  # as a worker does
    found["loaded"] = memory_mb("VmRSS")
    engine = DecodingEngine(NullSink())
    # Twice, so that memory which grows with every text shows as a second peak above the first.
    for name in ("once", "twice"):
        generate(engine, model, *sizes)
        found[name] = memory_mb("VmHWM")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
