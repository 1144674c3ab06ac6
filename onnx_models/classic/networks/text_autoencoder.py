"""A text autoencoder: a whole text is compressed to one vector and reconstructed (after Cho et al., 2014).

The network can reconstruct what was frequent in training. So it removes errors from texts if it was trained to (as a
denoising autoencoder), and a text with a bad reconstruction is an anomaly.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from onnx_models.classic.networks.base import Config, Network, Size
from onnx_models.classic.networks.padding import pick


class TextAutoencoderConfig(Config, frozen=True, kw_only=True):
    """Sizes and limits."""

    vocab_size: Size
    embedding_size: Size
    hidden_size: Size
    latent_size: Size
    """Size of the latent vector."""
    max_tokens: Size
    """Longest text, special tokens included; each position has an embedding."""
    pad_token_id: int = 0


class TextAutoencoder(Network):
    """GRU encoder, bottleneck, GRU decoder.

    The decoder gets positions and the latent vector, but no tokens: with the previous tokens as input it would learn to
    be a language model and ignore the vector.
    """

    model_type: ClassVar[str] = "text-autoencoder"
    config_type: ClassVar[type[Config]] = TextAutoencoderConfig

    def __init__(self, config: TextAutoencoderConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.positions = nn.Embedding(config.max_tokens, config.embedding_size)
        self.encoder = nn.GRU(config.embedding_size, config.hidden_size, batch_first=True)
        self.narrow = nn.Linear(config.hidden_size, config.latent_size)
        self.widen = nn.Linear(config.latent_size, config.hidden_size)
        self.decoder = nn.GRU(config.embedding_size + config.latent_size, config.hidden_size, batch_first=True)
        self.output = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct texts, token for token.

        Args:
            input_ids: int64 [rows, tokens].
            attention_mask: 1 for tokens and 0 for padding, which lies on the right, int64 [rows, tokens].

        Returns:
            Logits of the token at each position, float32 [rows, tokens, vocabulary], undefined at padding; the latent
            vector, float32 [rows, latent], with numbers within -1 … 1; and the score of the text, float32 [rows]: the
            mean negative log-likelihood of its tokens, in nats.
        """
        # The state after the last token is the whole text; padding behind it must not change it.
        lengths = attention_mask.sum(dim=1)
        states = self.encoder(self.embedding(input_ids))[0]
        latent = self.narrow(pick(states, (lengths - 1)[:, None])[:, 0]).tanh()
        logits = self._decode(latent, input_ids)
        likelihoods = logits.log_softmax(dim=-1).gather(-1, input_ids[..., None])[..., 0]
        score = -(likelihoods * attention_mask).sum(dim=1) / lengths
        return logits, latent, score

    def _decode(self, latent: Tensor, like: Tensor) -> Tensor:
        """Return logits for as many positions as ``like`` [rows, tokens] has."""
        positions = self.positions(torch.arange(like.shape[1], device=like.device))
        given = torch.cat(
            [positions.expand(like.shape[0], -1, -1), latent[:, None].expand(-1, like.shape[1], -1)], dim=-1
        )
        return self.output(self.decoder(given, self.widen(latent).tanh()[None])[0])
