"""The serving side of an LSTM-to-LSTM package: ONNX Runtime and numpy alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.graphs import Recurrent
from contracts.model_package.package import ModelPackage
from onnx_models.errors import ParityError
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
Feed = dict[str, NDArray[Any]]
_STATE = ("hidden", "cell")


class ServedRecurrent:
    """Two sessions over one package; ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        start = package.manifest.graph_as(Recurrent).generation.decoder_start_token_id
        if start is None:
            raise ParityError(f"{package.manifest.name}: no start token in its manifest")
        self.start = start
        self._encoder = open_session(package, "encoder_model.onnx")
        self._decoder = open_session(package, "decoder_model.onnx")

    def read(self, sources: Sequence[Sequence[int]]) -> Feed:
        """Read sources as one batch, padded on the right with id 0; return what the decoder takes besides a token."""
        shape = len(sources), max(len(source) for source in sources)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, source in enumerate(sources):
            ids[row, : len(source)], mask[row, : len(source)] = source, 1
        return {"encoder_attention_mask": mask} | _run(self._encoder, {"input_ids": ids, "attention_mask": mask})

    def step(self, tokens: NDArray[np.int64], feed: Feed) -> tuple[Floats, Feed]:
        """Take one step for all rows: logits, float32 [rows, vocabulary], and what the next step takes."""
        answer = _run(self._decoder, feed | {"input_ids": tokens[:, None]})
        return answer["logits"][:, 0], feed | {name: answer[f"new_{name}"] for name in _STATE}

    def follow(self, sources: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[Floats]:
        """Return for each row the logits at each token of its answer, float32 [tokens, vocabulary]."""
        feed, found = self.read(sources), []
        before = np.insert(np.array(answers, np.int64), 0, self.start, axis=1)[:, :-1]
        for tokens in before.T:
            logits, feed = self.step(tokens, feed)
            found.append(logits)
        return list(np.stack(found, axis=1))

    def write(self, sources: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """Write the likeliest tokens for all rows side by side, past the end token too."""
        feed, written = self.read(sources), [np.full(len(sources), self.start, np.int64)]
        while len(written) <= num_tokens:
            logits, feed = self.step(written[-1], feed)
            written.append(logits.argmax(axis=1))
        return [row.tolist() for row in np.stack(written[1:], axis=1)]


def _run(session: Any, feed: Feed) -> Feed:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))
