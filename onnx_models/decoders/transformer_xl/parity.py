"""Compare a Transformer-XL package with transformers' original code, alone and in batches with other texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.graphs import DecoderMemory
from contracts.model_package.package import ModelPackage
from onnx_models.decoders.transformer_xl.reference import ReferenceTransformerXL
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.generation import compare_generation
from onnx_models.verification.session import DTYPES, open_session

Floats = NDArray[np.float32]
Memories = list[Floats]
_SEED = 20260102
_NEW_TOKENS = 20
_LENGTHS = (1, 2, 5, 9, 17, 40)
_EQUAL_ROWS = 4


class ServedTransformerXL:
    """A session over one package, with ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        self._session = open_session(package)
        memories = [tensor for tensor in self._session.get_inputs() if tensor.name != "input_ids"]
        self._zeros = np.zeros((memories[0].shape[0], 1, memories[0].shape[2]), DTYPES[memories[0].type])
        self._num_layers = len(memories)

    def run(self, ids: NDArray[np.int64], memories: Memories | None = None) -> tuple[Floats, Memories]:
        """Append tokens, int64 [rows, tokens]; without memories, texts begin.

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

    def forced_logits(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        """Run each prompt alone, then feed the given tokens to all rows as one batch.

        Returns:
            For each row the log-probabilities that its tokens are chosen from, float32 [tokens, vocabulary].
        """
        logits, memories = self._prefill(prompts)
        found = [logits]
        for column in np.array(tokens, np.int64).T[:-1]:
            logits, memories = self.run(column[:, None], memories)
            found.append(logits)
        return list(np.stack(found, axis=1))

    def generate(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """Run each prompt alone, then decode all rows greedily as one batch."""
        logits, memories = self._prefill(prompts)
        generated = [logits.argmax(axis=1)]
        while len(generated) < num_tokens:
            logits, memories = self.run(generated[-1][:, None], memories)
            generated.append(logits.argmax(axis=1))
        return [row.tolist() for row in np.stack(generated, axis=1)]

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Memories]:
        # One by one: without a mask, prompts of different length can't share a call.
        rows = [self.run(np.array([prompt], np.int64)) for prompt in prompts]
        memories = [np.concatenate(layer, axis=1) for layer in zip(*(memory for _, memory in rows), strict=True)]
        return np.concatenate([logits for logits, _ in rows]), memories


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare log-probabilities and greedy tokens of random prompts, some longer than the memory.

    Prompts of different length are run one by one and continued as one batch; then prompts of equal length are run as
    one batch.
    """
    served, reference = ServedTransformerXL(package), ReferenceTransformerXL(source)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    manifest = package.manifest
    decoder = manifest.graph_as(DecoderMemory).decoder
    vocabulary, memory = decoder.vocabulary, decoder.memory
    # Longer than the memory, so that tokens drop out of it, which is where a wrong offset would show.
    lengths = [min(length, manifest.limits.max_tokens) for length in (*_LENGTHS, memory + 3)]
    prompts = [rng.integers(vocabulary, size=length).tolist() for length in lengths]
    compare_generation(found, served, prompts, [reference.generate(prompt, _NEW_TOKENS) for prompt in prompts])
    _compare_equal_lengths(found, served, rng.integers(vocabulary, size=(_EQUAL_ROWS, lengths[-1])), reference)
    return found


def _compare_equal_lengths(
    found: Comparison, served: ServedTransformerXL, ids: NDArray[np.int64], reference: ReferenceTransformerXL
) -> None:
    batched = served.run(ids)[0]
    for index, row in enumerate(ids):
        found.add(batched[index], reference.generate(row.tolist(), 1)[1][0])
        found.add_batched(served.run(row[None])[0][0], batched[index])
