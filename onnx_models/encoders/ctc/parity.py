"""Compare a CTC package with torch: the same logits and texts, for recordings alone and in batches of equal length.

The package's side preprocesses and decodes by the manifest's tables, with numpy; the reference uses transformers' own
feature extractor and tokenizer.
"""

from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contracts.model_package.graphs import CtcEncoder
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import TranscribeTask
from onnx_models.errors import ParityError, refusing
from onnx_models.exporting.loading import load_model
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source
from onnx_models.tokenizers.write import load_tokenizer
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.session import open_session

Floats = NDArray[np.float32]
_SEED = 20260103
_SECONDS = (0.06, 0.25, 0.7, 1.3)
_EQUAL_ROWS = 3


class ServedCtc:
    """A session over one package, with ONNX Runtime and numpy alone."""

    def __init__(self, package: ModelPackage) -> None:
        manifest = package.manifest
        self.audio = manifest.task_as(TranscribeTask).audio
        self.ctc = manifest.graph_as(CtcEncoder).ctc
        self._session = open_session(package)

    def run(self, recordings: Floats) -> Floats:
        """Return logits, float32 [rows, steps, labels], of equally long recordings, float32 [rows, samples]."""
        if self.audio.normalize:
            mean, variance = recordings.mean(axis=1, keepdims=True), recordings.var(axis=1, keepdims=True)
            # transformers' feature extractor adds the same constant to the variance.
            recordings = (recordings - mean) / np.sqrt(variance + 1e-7)
        logits = self._session.run(["logits"], {"input_values": recordings.astype(np.float32)})[0]
        expected = (recordings.shape[1] - self.audio.min_samples) // self.ctc.samples_per_label + 1
        if logits.shape[1:] != (expected, len(self.ctc.labels)):
            raise ParityError(
                f"{recordings.shape[1]} samples give {logits.shape[1:]} logits; by the manifest they should give "
                f"{(expected, len(self.ctc.labels))}"
            )
        return np.asarray(logits)

    def text(self, ids: list[int]) -> str:
        """Decode the best label of each step: merge repeated labels, then drop blanks (Graves et al., 2006)."""
        labels = [self.ctc.labels[label] for label, _ in groupby(ids) if label != self.ctc.blank_token_id]
        return "".join(" " if label == self.ctc.word_delimiter else label for label in labels).strip()


class ReferenceCtc:
    """The torch model of one source, in float32 on CPU."""

    def __init__(self, source: Source) -> None:
        from transformers import AutoFeatureExtractor, AutoModelForCTC

        # The vector that training masks time steps with is often missing, and inference never uses it.
        self._model = load_model(AutoModelForCTC, source, spare="masked_spec_embed")
        with refusing(f"{source.name}: transformers can't load its feature extractor"):
            self._extractor: Any = AutoFeatureExtractor.from_pretrained(source.folder, **LOCAL)
        self._tokenizer = load_tokenizer(source)

    @torch.inference_mode()
    def run(self, recording: Floats) -> Floats:
        """Return logits, float32 [steps, labels], of a recording, float32 [samples]."""
        rate = self._extractor.sampling_rate
        inputs = self._extractor(recording, sampling_rate=rate, return_tensors="pt")
        return np.asarray(self._model(inputs["input_values"]).logits[0])

    def text(self, ids: list[int]) -> str:
        """Decode the best label of each step."""
        return str(self._tokenizer.decode(ids))


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare logits, labels and texts of synthetic recordings, from the shortest possible one to 1.3 seconds."""
    served, reference = ServedCtc(package), ReferenceCtc(source)
    found = Comparison()
    rng = np.random.default_rng(_SEED)
    longest, shortest = package.manifest.limits.max_tokens, served.audio.min_samples
    lengths = [int(seconds * served.audio.sampling_rate) for seconds in _SECONDS]
    # At the shortest length and one sample more, a wrong minimum in the manifest would show.
    for length in (shortest, shortest + 1, *lengths):
        recordings = _recordings(rng, min(max(length, shortest), longest), served.audio.sampling_rate)
        batched = served.run(recordings)
        for recording, logits in zip(recordings, batched, strict=True):
            expected = reference.run(recording)
            found.add(logits, expected)
            found.add_batched(served.run(recording[None])[0], logits)
            _compare_texts(found, served, reference, (logits.argmax(axis=1), expected.argmax(axis=1)))
    found.note("batches", "recordings of equal length")
    return found


def _compare_texts(
    found: Comparison, served: ServedCtc, reference: ReferenceCtc, labels: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    """Compare the best labels, (served, reference), and how both sides decode those of the reference."""
    own, expected = (row.tolist() for row in labels)
    found.add_tokens(own, expected)
    if served.text(expected) != reference.text(expected):
        raise ParityError(
            f"transformers' tokenizer decodes labels {expected} as {reference.text(expected)!r}, "
            f"the manifest's tables as {served.text(expected)!r}"
        )


def _recordings(rng: np.random.Generator, num_samples: int, sampling_rate: int) -> Floats:
    """Return equally long recordings of tones of varying loudness with noise, float32 [rows, samples]."""
    seconds = np.arange(num_samples) / sampling_rate
    rows = []
    for _ in range(_EQUAL_ROWS):
        tones = [np.sin(2 * np.pi * pitch * seconds) for pitch in rng.uniform(80, 3000, size=4)]
        loudness = [np.sin(2 * np.pi * rate * seconds) ** 2 for rate in rng.uniform(0.5, 4, size=4)]
        sound = sum(tone * loud for tone, loud in zip(tones, loudness, strict=True))
        rows.append(0.1 * sound + rng.normal(0.02, 0.01, size=num_samples))
    return np.array(rows, np.float32)
