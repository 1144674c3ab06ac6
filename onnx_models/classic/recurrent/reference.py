"""The textbook version of LSTM with attention: packed sequences, then one row at a time without a mask.

The exported network has its own arithmetic for padding, so a comparison with the same module would prove nothing about
it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from onnx_models.classic.networks.lstm_attention import Encoder, LstmAttention

Floats = NDArray[np.float32]


class Encoded(NamedTuple):
    """The encoder's outputs for one source."""

    states: Tensor
    """Float32 [tokens, state size]."""
    hidden: Tensor
    cell: Tensor
    """Initial cell state of the decoder, float32 [hidden], as ``hidden``."""


class TextbookLstmAttention:
    """The weights of a network, run by the formulas of the textbook."""

    def __init__(self, network: LstmAttention) -> None:
        self._network = network
        self._lstm = _both_directions(network.encoder)

    @torch.inference_mode()
    def encode(self, sources: Sequence[Sequence[int]]) -> list[Encoded]:
        """Encode sources of any lengths as one packed batch."""
        encoder = self._network.encoder
        ids = pad_sequence([torch.tensor(source) for source in sources], batch_first=True)
        lengths = torch.tensor([len(source) for source in sources])
        packed = pack_padded_sequence(encoder.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
        output, (ends, _) = self._lstm(packed)
        states = pad_packed_sequence(output, batch_first=True)[0]
        if self._network.config.shortcut:
            states = torch.cat([states, encoder.embedding(ids)], dim=-1)
        both = torch.cat([ends[0], ends[1]], dim=-1)
        hidden, cell = torch.tanh(encoder.first_hidden(both)), torch.tanh(encoder.first_cell(both))
        return [Encoded(states[row, : len(source)], hidden[row], cell[row]) for row, source in enumerate(sources)]

    @torch.inference_mode()
    def generate(self, encoded: Encoded, num_tokens: int) -> tuple[list[int], Floats]:
        """Decode greedily; the end token does not stop it.

        Returns:
            The tokens, and the logits that each was chosen from, float32 [tokens, vocabulary].
        """
        tokens, found = [self._network.config.decoder_start_token_id], []
        hidden, cell = encoded.hidden, encoded.cell
        while len(tokens) <= num_tokens:
            logits, hidden, cell = self._step(tokens[-1], encoded.states, hidden, cell)
            found.append(logits)
            tokens.append(int(logits.argmax()))
        return tokens[1:], torch.stack(found).numpy()

    def _step(self, token: int, states: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decoder = self._network.decoder
        vector = decoder.embedding.weight[token]
        energies = torch.tanh(self._network.encoder.keys(states) + decoder.query(hidden)) @ decoder.energy.weight[0]
        context = torch.softmax(energies, dim=0) @ states
        hidden, cell = decoder.cell(torch.cat([vector, context]), (hidden, cell))
        return decoder.output(torch.cat([hidden, context, vector])), hidden, cell


def _both_directions(encoder: Encoder) -> nn.LSTM:
    """Return torch's bidirectional LSTM with the weights of the encoder's two."""
    one = encoder.forwards
    both = nn.LSTM(one.input_size, one.hidden_size, batch_first=True, bidirectional=True)
    weights = dict(one.state_dict())
    weights |= {f"{name}_reverse": weight for name, weight in encoder.backwards.state_dict().items()}
    both.load_state_dict(weights)
    return both.eval()
