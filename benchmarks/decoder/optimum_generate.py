"""The peer that runs one job after another: optimum's ``generate``, as a Celery task usually calls it.

It needs the export environment, so it is a process of its own:
``python -m benchmarks.decoder.optimum_generate SOURCE PACKAGE``. SOURCE is the folder of the package's source, with
the config; PACKAGE has the exporter's own graph. Each line of its input is a JSON list of jobs,
``[prompt ids, new tokens]``; each line of its output is ``[seconds, [token ids of each job]]``.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from optimum.onnxruntime import ORTModelForCausalLM

_CONFIGS = ("config.json", "generation_config.json")


def main() -> None:
    """Answer lines until there are no more."""
    source, package = (Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        # optimum wants the graph and the config of transformers in one folder; a package has no such config.
        for path in [*(source / name for name in _CONFIGS), *package.glob("model.onnx*")]:
            (Path(folder) / path.name).symlink_to(path)
        model = ORTModelForCausalLM.from_pretrained(folder)
    # The session holds the graph in memory, so the folder of links is not needed any more.
    for line in sys.stdin:
        started = time.perf_counter()
        generated = [_generate(model, prompt, num_tokens) for prompt, num_tokens in json.loads(line)]
        # Flushed, because the benchmark waits for this line.
        print(json.dumps([time.perf_counter() - started, generated]), flush=True)


def _generate(model: ORTModelForCausalLM, prompt: list[int], num_tokens: int) -> list[int]:
    ids = torch.tensor([prompt])
    text = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_tokens, do_sample=False)
    return [int(token) for token in text[0, len(prompt) :]]


if __name__ == "__main__":
    main()
