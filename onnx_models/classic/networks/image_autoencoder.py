"""A convolutional denoising autoencoder (Vincent et al., 2008), which reconstructs a clean image from a noisy one.

It is trained on images of one domain with noise added, and learns to reconstruct what belongs to the domain. What it
can't reconstruct is noise or an anomaly: the error map shows where, and the score how much.
"""

from itertools import pairwise
from typing import Annotated, ClassVar

import msgspec
import torch
from torch import Tensor, nn

from onnx_models.classic.networks.base import Config, Network, Size


class ImageAutoencoderConfig(Config, frozen=True, kw_only=True):
    """Sizes, and the normalization of pixels: ``(pixel / 255 - mean) / std`` for each channel."""

    channels: Size = 1
    widths: Annotated[list[Size], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [16, 32])
    """Channels of each layer; every layer halves height and width."""
    mean: list[float] = msgspec.field(default_factory=lambda: [0.0])
    std: list[Annotated[float, msgspec.Meta(gt=0)]] = msgspec.field(default_factory=lambda: [1.0])
    max_pixels: Size = 1024 * 1024
    """Largest image: height x width."""

    def __post_init__(self) -> None:
        """Check that each channel has a mean and a standard deviation."""
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std need {self.channels} numbers each, one for each channel")


class ImageAutoencoder(Network):
    """Convolutions that halve the size, and transposed ones that double it; for images of any size."""

    model_type: ClassVar[str] = "image-autoencoder"
    config_type: ClassVar[type[Config]] = ImageAutoencoderConfig

    def __init__(self, config: ImageAutoencoderConfig) -> None:
        super().__init__(config)
        widths = [config.channels, *config.widths]
        down = [_halving(*pair) for pair in pairwise(widths)]
        up = [_doubling(*pair) for pair in zip(widths[:1:-1], widths[-2:0:-1], strict=True)]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(widths[1], widths[0], 3, 2, 1, output_padding=1))
        self.register_buffer("mean", torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(config.std)[:, None, None], persistent=False)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct images, float32 [rows, channels, height, width].

        Returns:
            The reconstructions, of the same shape and normalization; the mean squared error of each image, float32
            [rows]; and the squared error of each pixel, as the mean over channels, float32 [rows, height, width].
        """
        # Within 0 … 1, as pixels are before their normalization.
        pixels = self.decoder(self.encoder(pixel_values)).sigmoid()
        # Halving rounds up, so after doubling an odd height or width is too long.
        pixels = pixels[..., : pixel_values.shape[2], : pixel_values.shape[3]]
        reconstruction = (pixels - self.mean) / self.std
        error_map = (reconstruction - pixel_values).square().mean(dim=1)
        return reconstruction, error_map.mean(dim=(1, 2)), error_map


def _halving(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU())


def _doubling(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1), nn.BatchNorm2d(after), nn.ReLU())
