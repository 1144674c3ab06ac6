"""The ceiling: static batches of 16 texts, in a loop that does nothing else.

The slot graphs run in this process, in sessions like those of a worker. Each source is encoded alone, so that nothing
is padded. Then every decode step has all rows, from the first token to the last: no row joins or leaves, and there is
no detokenization, no thread, no queue and no store. No server can be faster on the same graphs.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.generation.jobs import Job
from benchmarks.seq2seq.jobs import NEW_TOKENS, SOURCE_TOKENS
from contracts.machine import available_cpus
from contracts.model_package.graphs import GeneratorGraph
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from workers.runtime.decoding.caches.slots.buffer import SlotBuffer
from workers.runtime.decoding.caches.tensor_names import pasts
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer
from workers.runtime.inference.session import open_graphs
from workers.runtime.settings import WorkerSettings

NUM_ROWS = 16
_ENCODER, _DECODER = "encoder_model.onnx", "decoder_model.onnx"


class StaticBatches:
    """The graphs of a package, with buffers for one batch."""

    def __init__(self, folder: Path) -> None:
        package = load_package(folder)
        settings = WorkerSettings(StoreSettings(), threads=available_cpus())
        graphs = open_graphs(package, device=settings.device, threads=settings.threads)
        self._encoder, self._decoder = graphs[_ENCODER], graphs[_DECODER]
        generation = package.manifest.graph_as(GeneratorGraph).generation
        assert generation.decoder_start_token_id is not None, "the decoder of an encoder-decoder starts with it"
        self._start, self._end = generation.decoder_start_token_id, generation.eos_token_ids[0]
        # Not one position more, as workers need: no row is ever idle here, so nothing is written behind the last token.
        self._own = self._allocate(NEW_TOKENS, of_source=False)
        self._of_source = self._allocate(SOURCE_TOKENS[1], of_source=True)
        self._logits = np.empty((NUM_ROWS, self._decoder.outputs["logits"].shape[-1] or 0), np.float32)

    def run(self, jobs: Sequence[Job]) -> list[list[int]]:
        """Return the tokens of each job."""
        batches = [jobs[start : start + NUM_ROWS] for start in range(0, len(jobs), NUM_ROWS)]
        return [tokens for batch in batches for tokens in self._batch(batch)]

    def _batch(self, jobs: Sequence[Job]) -> list[list[int]]:
        for row, job in enumerate(jobs):
            for buffer, found in zip(self._of_source, self._encode(job.input_ids), strict=True):
                buffer.put(row, found.numpy()[0])
        rows = range(len(jobs))
        logits = self._logits[: len(jobs)]
        binding = self._decoder.binding()
        binding.write_to("logits", logits)
        for each in [*self._own, *self._of_source]:
            each.bind(binding, rows)
        binding.feed("source_lengths", np.array([len(job.input_ids) for job in jobs], np.int64))
        binding.feed("num_tokens", np.ones(len(jobs), np.int64))
        last, generated = np.full(len(jobs), self._start, np.int64), []
        for age in range(NEW_TOKENS):
            binding.feed("input_ids", last[:, None])
            binding.feed("past_lengths", np.full(len(jobs), age, np.int64))
            binding.run()
            logits[:, self._end] = -np.inf  # min_new_tokens of the jobs
            last = logits.argmax(axis=1)
            generated.append(last)
        return [[int(step[row]) for step in generated] for row in rows]

    def _encode(self, ids: Ids) -> list[Buffer]:
        """Return the encoder's outputs for a source, in the order of the decoder's inputs."""
        binding = self._encoder.binding()
        binding.feed("input_ids", ids[None])
        binding.feed("attention_mask", np.ones_like(ids)[None])
        for buffer in self._of_source:
            binding.write(buffer.present)
        binding.run()
        return binding.outputs()

    def _allocate(self, num_positions: int, *, of_source: bool) -> list[SlotBuffer]:
        return [
            SlotBuffer(self._decoder, name, num_rows=NUM_ROWS, num_positions=num_positions)
            for name in pasts(self._decoder.inputs, of_source=of_source)
        ]
