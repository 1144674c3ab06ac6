"""LSTM to LSTM with additive attention (Bahdanau, Cho and Bengio, 2015, arXiv:1409.0473), with LSTM cells.

An encoder reads the source in both directions; a decoder writes one token at a time and looks at all of the source
before each. Padding changes nothing: the backward direction runs on a copy of each row that is reversed up to the
row's own end, which gives what ``pack_padded_sequence`` gives and can be traced.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from onnx_models.classic.networks.base import Config, Network, Size
from onnx_models.classic.networks.padding import mirror, pick


class LstmAttentionConfig(Config, frozen=True, kw_only=True):
    """Sizes, special tokens and limits; source and target share one vocabulary."""

    vocab_size: Size
    embedding_size: Size
    hidden_size: Size
    attention_size: Size
    shortcut: bool = False
    """Whether attention finds the tokens' own vectors too, beside what the LSTMs made of them: a token that goes around
    the LSTMs can be copied without much learning, and to correct a text is to copy most of it."""
    pad_token_id: int = 0
    decoder_start_token_id: int = 1
    eos_token_id: int = 2
    max_tokens: Size = 256
    """Longest source, special tokens included."""
    max_new_tokens: Size = 256
    """Longest answer, start token included."""

    @property
    def state_size(self) -> int:
        """Numbers in the encoder's state of one token."""
        return 2 * self.hidden_size + self.embedding_size * self.shortcut


class LstmAttention(Network):
    """The whole network, for training; graphs are made of its two halves."""

    model_type: ClassVar[str] = "lstm-attention"
    config_type: ClassVar[type[Config]] = LstmAttentionConfig

    def __init__(self, config: LstmAttentionConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.shortcut:
            self._begin_by_copying()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) -> Tensor:
        """Return the logits after each token of the answer, given the tokens before it (teacher forcing).

        Args:
            input_ids: the source, int64 [rows, tokens].
            attention_mask: 1 for tokens and 0 for padding, which lies on the right, int64 [rows, tokens].
            decoder_input_ids: start token and answer, int64 [rows, answer tokens].

        Returns:
            float32 [rows, answer tokens, vocabulary].
        """
        states, keys, hidden, cell = self.encoder(input_ids, attention_mask)
        found = []
        for vectors in self.decoder.embedding(decoder_input_ids).unbind(dim=1):
            known, hidden, cell = self.decoder.step(vectors, attention_mask, states, keys, hidden, cell)
            found.append(known)
        # The vocabulary is most of the work, and quicker for all tokens at once.
        return self.decoder.output(torch.stack(found, dim=1))

    @torch.no_grad()
    def _begin_by_copying(self) -> None:
        """Make the token that attention finds the likeliest one before any training."""
        size, tokens = self.config.hidden_size, self.encoder.embedding.weight
        self.decoder.output.weight[:, 3 * size : 3 * size + tokens.shape[1]] = tokens / tokens.shape[1] ** 0.5


class Encoder(nn.Module):
    """Reads the source from both ends."""

    def __init__(self, config: LstmAttentionConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.forwards = nn.LSTM(config.embedding_size, size, batch_first=True)
        self.backwards = nn.LSTM(config.embedding_size, size, batch_first=True)
        self.keys = nn.Linear(config.state_size, config.attention_size)
        self.first_hidden = nn.Linear(2 * size, size)
        self.first_cell = nn.Linear(2 * size, size)
        self._shortcut = config.shortcut

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read sources, int64 [rows, tokens], padded on the right.

        Returns:
            States [rows, tokens, state size]; what attention compares with, which is the same at every step
            [rows, tokens, attention]; hidden and cell state that the decoder starts with [rows, hidden]. All float32,
            without meaning at padding.
        """
        vectors, lengths = self.embedding(input_ids), attention_mask.sum(dim=1)
        mirrored = mirror(input_ids.shape[1], lengths)
        ahead = self.forwards(vectors)[0]
        back = self.backwards(pick(vectors, mirrored))[0]
        last = (lengths - 1)[:, None]
        ends = torch.cat([pick(ahead, last), pick(back, last)], dim=-1)[:, 0]
        states = torch.cat([ahead, pick(back, mirrored), *[vectors] * self._shortcut], dim=-1)
        return states, self.keys(states), self.first_hidden(ends).tanh(), self.first_cell(ends).tanh()


class Decoder(nn.Module):
    """Writes one token: attention with the state so far, then one step of the LSTM."""

    def __init__(self, config: LstmAttentionConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.query = nn.Linear(size, config.attention_size, bias=False)
        self.energy = nn.Linear(config.attention_size, 1, bias=False)
        self.cell = nn.LSTMCell(config.embedding_size + config.state_size, size)
        self.output = nn.Linear(size + config.state_size + config.embedding_size, config.vocab_size)

    def forward(  # noqa: PLR0917 (a traced graph's inputs have an order, not keywords)
        self, input_ids: Tensor, attention_mask: Tensor, states: Tensor, keys: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step.

        Args:
            input_ids: the token before, int64 [rows, 1].
            attention_mask: of the source, int64 [rows, tokens].
            states: the encoder's, as are the next three for the first token.
            keys: what attention compares with.
            hidden: of the step before, float32 [rows, hidden].
            cell: of the step before, float32 [rows, hidden].

        Returns:
            Logits float32 [rows, 1, vocabulary]; hidden and cell state for the next step.
        """
        known, hidden, cell = self.step(self.embedding(input_ids[:, 0]), attention_mask, states, keys, hidden, cell)
        return self.output(known)[:, None], hidden, cell

    def step(  # noqa: PLR0917 (as above)
        self, vectors: Tensor, attention_mask: Tensor, states: Tensor, keys: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step but for the last: from the token's vector, float32 [rows, embedding], to what logits are of.

        Returns:
            All that is known of the next token, float32 [rows, hidden + state size + embedding]; hidden and cell state.
        """
        energies = self.energy((keys + self.query(hidden)[:, None]).tanh())[..., 0]
        weights = energies.masked_fill(attention_mask == 0, torch.finfo(energies.dtype).min).softmax(dim=-1)
        context = (weights[:, None] @ states)[:, 0]
        hidden, cell = self.cell(torch.cat([vectors, context], dim=-1), (hidden, cell))
        return torch.cat([hidden, context, vectors], dim=-1), hidden, cell
