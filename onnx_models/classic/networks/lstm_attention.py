"""LSTM to LSTM with additive attention (Bahdanau, Cho and Bengio, 2015, arXiv:1409.0473), with LSTM cells.

A bidirectional encoder runs over the source, and a decoder generates one token at a time with attention to the whole
source. Padding does not change the result: the backward direction runs on a copy of each row that is reversed up to the
row's own end. That equals ``pack_padded_sequence``, which can't be traced.
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
    """Whether attention also returns the source tokens' embeddings. With these, a token can be copied without being
    encoded by the LSTMs, and correcting a text is mostly copying."""
    pad_token_id: int = 0
    decoder_start_token_id: int = 1
    eos_token_id: int = 2
    max_tokens: Size = 256
    """Longest source, special tokens included."""
    max_new_tokens: Size = 256
    """Longest output, start token included."""

    @property
    def state_size(self) -> int:
        """Size of the encoder's state of one token."""
        return 2 * self.hidden_size + self.embedding_size * self.shortcut


class LstmAttention(Network):
    """The whole network, for training; its encoder and its decoder are exported as one graph each."""

    model_type: ClassVar[str] = "lstm-attention"
    config_type: ClassVar[type[Config]] = LstmAttentionConfig

    def __init__(self, config: LstmAttentionConfig) -> None:
        super().__init__(config)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.shortcut:
            self._initialize_copying()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) -> Tensor:
        """Return the logits after each token of the output, given the tokens before it (teacher forcing).

        Args:
            input_ids: the source, int64 [rows, tokens].
            attention_mask: 1 for tokens and 0 for padding, which lies on the right, int64 [rows, tokens].
            decoder_input_ids: start token and output, int64 [rows, output tokens].

        Returns:
            float32 [rows, output tokens, vocabulary].
        """
        states, keys, hidden, cell = self.encoder(input_ids, attention_mask)
        found = []
        for vectors in self.decoder.embedding(decoder_input_ids).unbind(dim=1):
            features, hidden, cell = self.decoder.step(vectors, attention_mask, states, keys, hidden, cell)
            found.append(features)
        # The product with the vocabulary is most of the work, and faster for all tokens at once.
        return self.decoder.output(torch.stack(found, dim=1))

    @torch.no_grad()
    def _initialize_copying(self) -> None:
        """Initialize the output layer so that the attended token is the most probable one before any training."""
        size, tokens = self.config.hidden_size, self.encoder.embedding.weight
        self.decoder.output.weight[:, 3 * size : 3 * size + tokens.shape[1]] = tokens / tokens.shape[1] ** 0.5


class Encoder(nn.Module):
    """Encodes the source in both directions."""

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
        """Encode sources, int64 [rows, tokens], padded on the right.

        Returns:
            States [rows, tokens, state size]; the keys of attention, which are the same in every step
            [rows, tokens, attention]; the decoder's initial hidden and cell state [rows, hidden]. All are float32, and
            undefined at padding.
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
    """Generates one token: attention with the current state, then one step of the LSTM."""

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
        """Run one decode step.

        Args:
            input_ids: the previous token, int64 [rows, 1].
            attention_mask: of the source, int64 [rows, tokens].
            states: output of the encoder.
            keys: output of the encoder.
            hidden: of the previous step, at first of the encoder, float32 [rows, hidden].
            cell: of the previous step, at first of the encoder, float32 [rows, hidden].

        Returns:
            Logits float32 [rows, 1, vocabulary]; hidden and cell state for the next step.
        """
        features, hidden, cell = self.step(self.embedding(input_ids[:, 0]), attention_mask, states, keys, hidden, cell)
        return self.output(features)[:, None], hidden, cell

    def step(  # noqa: PLR0917 (as above)
        self, vectors: Tensor, attention_mask: Tensor, states: Tensor, keys: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one decode step up to the output layer, from the token's embedding, float32 [rows, embedding].

        Returns:
            The input of the output layer, float32 [rows, hidden + state size + embedding]; hidden and cell state.
        """
        energies = self.energy((keys + self.query(hidden)[:, None]).tanh())[..., 0]
        # Not -inf, which would make NaN of a row without any token.
        weights = energies.masked_fill(attention_mask == 0, torch.finfo(energies.dtype).min).softmax(dim=-1)
        context = (weights[:, None] @ states)[:, 0]
        hidden, cell = self.cell(torch.cat([vectors, context], dim=-1), (hidden, cell))
        return torch.cat([hidden, context, vectors], dim=-1), hidden, cell
