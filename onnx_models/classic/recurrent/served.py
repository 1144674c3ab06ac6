"""The package's side of a comparison of LSTM encoder-decoders: ONNX Runtime and numpy alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.graphs import Recurrent
from contracts.model_package.package import ModelPackage
from onnx_models.errors import ParityError
from onnx_models.verification.session import Array, open_session, pad_right, run_graph

Floats = NDArray[np.float32]
Feed = dict[str, Array]
_STATE = ("hidden", "cell")


class ServedRecurrent:
    """Two sessions over one package, without torch, so that a package can be evaluated in the serving environment."""

    def __init__(self, package: ModelPackage) -> None:
        start = package.manifest.graph_as(Recurrent).generation.decoder_start_token_id
        if start is None:
            raise ParityError(f"{package.manifest.name}: no start token in its manifest")
        self.start_token = start
        self._encoder = open_session(package, "encoder_model.onnx")
        self._decoder = open_session(package, "decoder_model.onnx")

    def encode(self, sources: Sequence[Sequence[int]]) -> Feed:
        """Encode sources as one batch; return all inputs of the decoder except for the token."""
        ids, mask = pad_right(sources)
        encoded = run_graph(self._encoder, {"input_ids": ids, "attention_mask": mask})
        return {"encoder_attention_mask": mask} | encoded

    def step(self, tokens: NDArray[np.int64], feed: Feed) -> tuple[Floats, Feed]:
        """Run one decode step; return the logits, float32 [rows, vocabulary], and the inputs of the next step."""
        outputs = run_graph(self._decoder, feed | {"input_ids": tokens[:, None]})
        return outputs["logits"][:, 0], feed | {name: outputs[f"new_{name}"] for name in _STATE}

    def forced_logits(self, sources: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        """Feed the given tokens; return the logits that each is chosen from, float32 [tokens, vocabulary] per row."""
        feed, found = self.encode(sources), []
        previous = np.insert(np.array(tokens, np.int64), 0, self.start_token, axis=1)[:, :-1]
        for column in previous.T:
            logits, feed = self.step(column, feed)
            found.append(logits)
        return list(np.stack(found, axis=1))

    def generate(self, sources: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """Decode all rows greedily as one batch; the end token does not stop it."""
        feed, generated = self.encode(sources), [np.full(len(sources), self.start_token, np.int64)]
        while len(generated) <= num_tokens:
            logits, feed = self.step(generated[-1], feed)
            generated.append(logits.argmax(axis=1))
        return [row.tolist() for row in np.stack(generated[1:], axis=1)]
