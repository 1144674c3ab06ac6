"""Whisper's log-mel spectrogram, computed from a manifest's [audio] table (Radford et al., 2022, section 2.2).

A short-time Fourier transform, its power in mel bands, and the logarithm of that. It uses numpy alone, as a worker has
to; ``compare`` compares it with transformers' feature extractor.
"""

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.tasks import Audio

Floats = NDArray[np.float32]
_LINEAR_HZ, _MEL_HZ = 1000.0, 200.0 / 3
"""Slaney's mel scale: 200 / 3 Hz per mel up to 1 kHz, above it 27 mels for each factor of 6.4."""
_MELS_PER_E = 27.0 / np.log(6.4)
# max_frequency of transformers' WhisperFeatureExtractor, which does not follow the sampling rate.
_HIGHEST_HZ = 8000.0
_FLOOR, _RANGE = 1e-10, 8.0
"""Smallest power, and the dynamic range below the maximum of a recording, in powers of ten."""


def log_mel(samples: Floats, audio: Audio) -> Floats:
    """Return ``input_features``, float32 [num_mel_bins, num_frames], of one recording.

    Args:
        samples: float32 [samples] within -1 … 1, at ``audio.sampling_rate``; truncated, or padded with silence.
        audio: with ``features = "log_mel"``, so none of its numbers is None.
    """
    assert audio.num_mel_bins and audio.n_fft and audio.hop_length and audio.num_frames  # noqa: S101 (as documented)
    signal = np.zeros(audio.num_frames * audio.hop_length)
    signal[: len(samples)] = samples[: len(signal)]
    padded = np.pad(signal, audio.n_fft // 2, mode="reflect")
    # As in the original: reflected at both ends, a periodic Hann window, and without the last frame.
    windows = np.lib.stride_tricks.sliding_window_view(padded, audio.n_fft)[:: audio.hop_length][: audio.num_frames]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(audio.n_fft) / audio.n_fft)
    power = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    logs = np.log10(np.maximum(_filters(audio.num_mel_bins, audio.n_fft, audio.sampling_rate) @ power.T, _FLOOR))
    # The scaling of the original, after which the numbers are within about -1 … 2.
    return ((np.maximum(logs, logs.max() - _RANGE) + 4) / 4).astype(np.float32)


def _filters(num_mel_bins: int, n_fft: int, sampling_rate: int) -> NDArray[np.float64]:
    """Return triangular filters of equal area, [num_mel_bins, n_fft // 2 + 1], evenly spaced on the mel scale."""
    frequencies = np.linspace(0, sampling_rate // 2, n_fft // 2 + 1)
    edges = _hertz(np.linspace(0, _mels(_HIGHEST_HZ), num_mel_bins + 2))[:, None]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])


def _mels(hertz: float) -> float:
    return float(_LINEAR_HZ / _MEL_HZ + np.log(hertz / _LINEAR_HZ) * _MELS_PER_E)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = _LINEAR_HZ / _MEL_HZ
    return np.where(mels < bend, mels * _MEL_HZ, _LINEAR_HZ * np.exp((mels - bend) / _MELS_PER_E))
