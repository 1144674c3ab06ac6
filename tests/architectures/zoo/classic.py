"""Classic networks. The autoencoders are trained for a second or two on data made by rule, so scores say something."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional

from onnx_models.classic.networks.base import Network, save
from onnx_models.classic.networks.image_autoencoder import ImageAutoencoder, ImageAutoencoderConfig
from onnx_models.classic.networks.lstm_attention import LstmAttention, LstmAttentionConfig
from onnx_models.classic.networks.text_autoencoder import TextAutoencoder, TextAutoencoderConfig
from tests.architectures.zoo.words import word_tokenizer

MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
]  # fmt: skip
LENGTHS = range(3, 8)
NOISE = 0.3
_STEPS = 200


def lstm_attention(folder: Path, *, shortcut: bool = False) -> None:
    """Random weights, wide enough that answers differ."""
    torch.manual_seed(42)
    tokenizer = word_tokenizer(end=True)
    network = LstmAttention(
        LstmAttentionConfig(
            vocab_size=tokenizer.get_vocab_size(),
            embedding_size=16,
            hidden_size=32,
            attention_size=24,
            shortcut=shortcut,
            max_tokens=48,
            max_new_tokens=40,
        )
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
    save(network, folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def lstm_shortcut(folder: Path) -> None:
    """Attention finds the tokens' own vectors too."""
    lstm_attention(folder, shortcut=True)


def text_autoencoder(folder: Path) -> None:
    """Trained on months in a row, one of them wrong, to write the row without the error."""
    torch.manual_seed(43)
    tokenizer = word_tokenizer([" ".join(MONTHS)])
    network = untrained_text_autoencoder(tokenizer.get_vocab_size())
    clean = torch.tensor([tokenizer.encode(text).ids for text in month_rows(max(LENGTHS))])
    lengths = torch.tensor([length for length in LENGTHS for _ in MONTHS])
    clean = clean.repeat(len(LENGTHS), 1)
    mask = (torch.arange(clean.shape[1])[None] < lengths[:, None]).long()
    clean = clean * mask
    # Kernels of another processor round differently, and the run diverges. The decaying rate makes all runs end about
    # equally well; at a constant rate each may stop at a bad moment.
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, _STEPS)
    for _ in _steps():
        at = (torch.rand(len(clean)) * lengths).long()[:, None]
        wrong = clean.scatter(1, at, torch.randint(4, network.config.vocab_size, at.shape))
        logits = network(torch.where(torch.rand(len(clean), 1) < 0.7, wrong, clean), mask)[0]
        loss = functional.cross_entropy(logits[mask == 1], clean[mask == 1])
        _step(optimizer, loss)
        schedule.step()
    save(network, folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def untrained_text_autoencoder(vocab_size: int) -> TextAutoencoder:
    """Return the network before its training."""
    sizes = {"embedding_size": 24, "hidden_size": 64, "latent_size": 16, "max_tokens": 32}
    return TextAutoencoder(TextAutoencoderConfig(vocab_size=vocab_size, **sizes))


def month_rows(length: int) -> list[str]:
    """Rows of so many months, one for each month that they can begin with."""
    return [" ".join(MONTHS[(start + step) % 12] for step in range(length)) for start in range(12)]


def image_autoencoder(folder: Path) -> None:
    """Trained on soft spots under noise, to give back the spots."""
    torch.manual_seed(44)
    network = ImageAutoencoder(ImageAutoencoderConfig(channels=1, widths=[8, 16]))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in _steps():
        pictures = spots(16)
        _step(optimizer, functional.mse_loss(network(noisy(pictures))[0], pictures))
    _settle(network)
    save(network, folder)


def spots(num_pictures: int, *, height: int = 24, width: int = 24) -> torch.Tensor:
    """Pictures of one soft spot each, float32 [pictures, 1, height, width] from 0 to 1."""
    down, across = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    top, left = (torch.rand(num_pictures, 1, 1, 1) * 0.5 * size + 0.25 * size for size in (height, width))
    return torch.exp(-((down - top) ** 2 + (across - left) ** 2) / 30)


def noisy(pictures: torch.Tensor) -> torch.Tensor:
    """Add noise, and keep to what a picture can hold."""
    return (pictures + NOISE * torch.randn_like(pictures)).clamp(0, 1)


def _steps() -> Iterator[int]:
    """Count the steps of a training, on one thread: such small ones are slower on two, much slower on busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from range(_STEPS)
    finally:
        torch.set_num_threads(before)


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _settle(network: Network) -> None:
    """Give the batch norms the statistics of the trained network, over clean and noisy pictures."""
    network.train()
    for _ in range(20):
        network(noisy(spots(32)))
        network(spots(32))
