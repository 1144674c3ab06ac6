"""Inputs for the comparison of encoder-decoders: random ones, and real ones that both sides preprocess."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from contracts.model_package.tasks import Audio, ImageTask, TranscribeTask, TranslateTask
from onnx_models.encoders.images.parity import preprocess_both_ways, random_pixels
from onnx_models.errors import ParityError
from onnx_models.exporting.optimum_exporter import LOCAL
from onnx_models.exporting.sources import Source
from onnx_models.seq2seq.log_mel import log_mel
from onnx_models.seq2seq.served import Floats, Input, Served
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.sample_texts import TEXTS

Batch = Sequence[Input]
_SEED = 20260103
_LENGTHS = ((1,), (2, 7), (16, 3, 9, 31), (60, 5, 33, 2, 48, 11, 17, 3, 24, 40, 8, 54))
_SECONDS = (0.1, 0.7, 40.0)
"""Lengths of recordings; the last is longer than the 30 s that Whisper takes at once."""
_MAX_FEATURES_DIFF = 2e-4
"""Largest difference between two spectrograms, whose numbers lie within about -1 … 2; torch computes in float32."""
_NUM_LANGUAGES = 3


def sample_batches(served: Served, tokenizer: Any, source: Source, found: Comparison) -> list[Batch]:
    """Return batches of inputs for the encoder: random ones, then real ones, preprocessed by the manifest's tables.

    Args:
        served: the package.
        tokenizer: transformers' tokenizer.
        source: transformers' preprocessors are loaded from it.
        found: gets the differences in preprocessing.

    Raises:
        ParityError: the two sides preprocess an input differently.
    """
    match served.manifest.task:
        case TranscribeTask(audio=audio):
            return _recordings(audio, source, found)
        case ImageTask(image=image):
            return [*map(list, random_pixels(image)), list(preprocess_both_ways(image, source, found))]
    return [*_random_texts(served, tokenizer), _texts(served, tokenizer, found), *_foreign_texts(served, tokenizer)]


def _random_texts(served: Served, tokenizer: Any) -> list[Batch]:
    """Return rows of random tokens other than padding, up to the longest that the manifest allows."""
    manifest = served.manifest
    rng = np.random.default_rng(_SEED)
    # The models of BART that were fine-tuned on news have no row for the tokenizer's last token.
    size = min(served.tokenizer.get_vocab_size(), served.vocabulary)
    # A padding id inside a row would be no ordinary token: M2M100 gives it no position.
    usable = np.setdiff1d(np.arange(size), [tokenizer.pad_token_id])
    limit = manifest.limits.max_tokens
    batches = [[min(length, limit) for length in lengths] for lengths in (*_LENGTHS, (limit,))]
    return [[rng.choice(usable, size=length).tolist() for length in lengths] for lengths in batches]


def _texts(served: Served, tokenizer: Any, found: Comparison) -> Batch:
    limit = served.manifest.limits.max_tokens
    samples = [(text, served.tokenizer.encode(text).ids) for text in (*TEXTS, " ".join(TEXTS))]
    # Truncation is a matter of the worker, so longer texts are left out.
    fitting = [(text, ids) for text, ids in samples if len(ids) <= limit]
    if not fitting:
        raise ParityError(f"none of the sample texts fits into {limit} tokens")
    for text, ids in fitting:
        if ids != list(tokenizer(text, truncation=False, verbose=False).input_ids):
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
    found.note("texts", len(fitting))
    return [ids for _, ids in fitting]


def _foreign_texts(served: Served, tokenizer: Any) -> list[Batch]:
    """Return a text marked as of several source languages, after checking that both tokenizers mark it alike."""
    task = served.manifest.task
    if not isinstance(task, TranslateTask) or not task.translate.source:
        return []
    languages = task.translate
    position = 0 if languages.source == "prefix" else -1
    # transformers' tokenizer changes its template when src_lang is set; a worker replaces one id.
    before, batch = tokenizer.src_lang, []
    for code in list(languages.languages)[:: -(-len(languages.languages) // _NUM_LANGUAGES)]:
        tokenizer.src_lang = code
        ids = served.tokenizer.encode(TEXTS[2]).ids
        ids[position] = languages.languages[code]
        if ids != list(tokenizer(TEXTS[2]).input_ids):
            raise ParityError(f"the [translate] table and transformers' tokenizer disagree about a text in {code}")
        batch.append(ids)
    tokenizer.src_lang = before
    return [batch]


def _recordings(audio: Audio, source: Source, found: Comparison) -> list[Batch]:
    """Return spectrograms of noise, then those of whistles."""
    from transformers import WhisperFeatureExtractor

    rng = np.random.default_rng(_SEED)
    shape = (audio.num_mel_bins or 0, audio.num_frames or 0)
    noise = [rng.standard_normal((rows, *shape), dtype=np.float32) for rows in (1, 3)]
    sounds = [_whistle(seconds, audio.sampling_rate, rng) for seconds in _SECONDS]
    extractor = WhisperFeatureExtractor.from_pretrained(source.folder, **LOCAL)
    expected = extractor(sounds, sampling_rate=audio.sampling_rate, return_tensors="np")["input_features"]
    spectrograms = [log_mel(sound, audio) for sound in sounds]
    difference = float(np.abs(np.stack(spectrograms) - expected).max())
    # Not `>`, so that NaN is refused, too.
    if not difference <= _MAX_FEATURES_DIFF:
        raise ParityError(f"spectrograms by the [audio] table and by transformers differ by {difference:.3g}")
    found.note_diff("features_diff", difference)
    return [*map(list, noise), spectrograms]


def _whistle(seconds: float, sampling_rate: int, rng: np.random.Generator) -> Floats:
    """Return a tone that rises from 200 to 3000 Hz, with a little noise, float32 [samples]."""
    time = np.arange(int(seconds * sampling_rate)) / sampling_rate
    phase = 2 * np.pi * (200 + 1400 * time / seconds) * time
    return (0.4 * np.sin(phase) + 0.01 * rng.standard_normal(len(time))).astype(np.float32)
