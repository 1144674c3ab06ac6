"""Compare a Transformer-XL package with transformers' original code, alone and beside texts of other ages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.graphs import DecoderMemory
from contracts.model_package.package import ModelPackage
from onnx_models.decoders.transformer_xl.reference import ReferenceTransformerXL
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
Memories = list[Floats]
_SEED = 20260102
_NEW_TOKENS = 20
_LENGTHS = (1, 2, 5, 9, 17, 40)
_EQUAL_ROWS = 4


class ServedTransformerXL:
    """A session over one package; ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)
        memories = [tensor for tensor in self._session.get_inputs() if tensor.name != "input_ids"]
        dtype = np.float16 if memories[0].type == "tensor(float16)" else np.float32
        self._zeros = np.zeros((memories[0].shape[0], 1, memories[0].shape[2]), dtype)
        self._num_layers = len(memories)

    def run(self, ids: NDArray[np.int64], memories: Memories | None = None) -> tuple[Floats, Memories]:
        """Read tokens, int64 [rows, tokens]; without memories a text begins.

        Returns:
            Log-probabilities of the next token, float32 [rows, vocabulary], and the new memories.
        """
        if memories is None:
            memories = [np.repeat(self._zeros, len(ids), axis=1)] * self._num_layers
        layers = range(self._num_layers)
        names = ["logits", *(f"new_mems.{layer}" for layer in layers)]
        feed = {"input_ids": ids} | {f"mems.{layer}": memories[layer] for layer in layers}
        logits, *memories = self._session.run(names, feed)
        return logits[:, -1], memories

    def follow(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[Floats]:
        """Read each prompt by itself, then the answers side by side.

        Returns:
            For each row the log-probabilities at each token of its answer, float32 [tokens, vocabulary].
        """
        logits, memories = self._begin(prompts)
        found = [logits]
        for tokens in np.array(answers, np.int64).T[:-1]:
            logits, memories = self.run(tokens[:, None], memories)
            found.append(logits)
        return list(np.stack(found, axis=1))

    def write(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """Read each prompt by itself, then write the likeliest tokens for all of them side by side."""
        logits, memories = self._begin(prompts)
        written = [logits.argmax(axis=1)]
        while len(written) < num_tokens:
            logits, memories = self.run(written[-1][:, None], memories)
            written.append(logits.argmax(axis=1))
        return [row.tolist() for row in np.stack(written, axis=1)]

    def _begin(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Memories]:
        rows = [self.run(np.array([prompt], np.int64)) for prompt in prompts]
        memories = [np.concatenate(layer, axis=1) for layer in zip(*(memory for _, memory in rows), strict=True)]
        return np.concatenate([logits for logits, _ in rows]), memories


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare log-probabilities and greedy tokens of random prompts, some longer than the memory.

    Prompts are read one by one, as they differ in length, and continued together; then prompts of one length are read
    together. See `onnx_models.exporting.exporters.Exporter`.
    """
    served, reference = ServedTransformerXL(package), ReferenceTransformerXL(source)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    manifest = package.manifest
    decoder = manifest.graph_as(DecoderMemory).decoder
    vocabulary, memory = decoder.vocabulary, decoder.memory
    lengths = [min(length, manifest.limits.max_tokens) for length in (*_LENGTHS, memory + 3)]
    prompts = [rng.integers(vocabulary, size=length).tolist() for length in lengths]
    expected = [reference.write(prompt, _NEW_TOKENS) for prompt in prompts]
    answers = [tokens for tokens, _ in expected]
    together = served.follow(prompts, answers)
    for prompt, row, (tokens, logits) in zip(prompts, together, expected, strict=True):
        found.add(row, logits)
        found.add_batched(served.follow([prompt], [tokens])[0], row)
    for written, tokens in zip(served.write(prompts, _NEW_TOKENS), answers, strict=True):
        found.add_tokens(written, tokens)
    _compare_equal_lengths(found, served, rng.integers(vocabulary, size=(_EQUAL_ROWS, lengths[-1])), reference)
    return found


def _compare_equal_lengths(
    found: Comparison, served: ServedTransformerXL, ids: NDArray[np.int64], reference: ReferenceTransformerXL
) -> None:
    together = served.run(ids)[0]
    for index, row in enumerate(ids):
        found.add(together[index], reference.write(row.tolist(), 1)[1][0])
        found.add_batched(served.run(row[None])[0][0], together[index])
