"""Compare a text encoder with torch: the same tokens and outputs, whatever the lengths and the batch composition."""

from typing import Any

import numpy as np
from tokenizers import Tokenizer

from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import ClassifyTask, EmbedTask, QuestionAnswerTask
from onnx_models.encoders.texts.reference import ReferenceModel, reference_row
from onnx_models.encoders.texts.served import Outputs, Row, ServedModel, Text, served_row
from onnx_models.errors import ParityError
from onnx_models.exporting.sources import Source
from onnx_models.verification.comparison import Comparison
from onnx_models.verification.sample_texts import TEXTS
from onnx_models.verification.session import POSITION_ERRORS

_SEED = 20260101
_LENGTHS = ((1,), (2, 7), (16, 3, 9, 31), (60, 5, 33, 2, 48, 11, 17, 3, 24, 40, 8, 54, 29, 13, 20))
_PAIRS = (("How old is the city?", "The city was founded in 1201."), ("A man sleeps.", "Nobody is awake, not one."))


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of 1 to 15 rows of random tokens, up to the longest that the manifest allows; then texts.

    Padding is not compared. Both sides tokenize the texts; the package runs them as one padded batch, and the reference
    runs each alone.
    """
    served, reference = ServedModel(package), ReferenceModel(source, package.manifest)
    found = Comparison()
    manifest, tokenizer = package.manifest, served.tokenizer
    # Of the supported models, only CLIP's text tower pools by itself, and it pools the end token.
    pooled = isinstance(manifest.task, EmbedTask) and manifest.task.embed.pooling == "none"
    vocabulary, limit = tokenizer.get_vocab_size(), manifest.limits.max_tokens
    for rows in random_rows(reference.tokenizer, vocabulary, limit, with_end=pooled):
        try:
            expected, batched = reference.run(rows), served.run(rows)
        except POSITION_ERRORS as error:
            sizes = [len(row.ids) for row in rows]
            raise ParityError(f"rows of {sizes} tokens can't be run; is max_tokens right? {error}") from error
        _add(found, batched, expected)
        for row, outputs in zip(rows, batched, strict=True):
            # Alone means without padding, so this compares both the padding and the other rows.
            for name, alone in served.run([row])[0].items():
                found.add_batched(alone, outputs[name])
    texts = checked_texts(manifest, tokenizer, reference.tokenizer, with_types="token_type_ids" in served.inputs)
    expected = [reference.run([reference_row(reference.tokenizer, text)])[0] for text in texts]
    _add(found, served.run([served.tokenize(text) for text in texts]), expected)
    if isinstance(manifest.task, EmbedTask | ClassifyTask):
        expected_vectors = np.stack([reference.predict(text) for text in texts])
        found.note_diff("answers_diff", float(np.abs(served.predict(texts) - expected_vectors).max()))
    found.note("texts", len(texts))
    return found


def _add(found: Comparison, served: list[Outputs], reference: list[Outputs]) -> None:
    for row, expected in zip(served, reference, strict=True):
        for name in expected:
            found.add(row[name], expected[name])


def random_rows(tokenizer: Any, vocabulary: int, limit: int, *, with_end: bool) -> list[list[Row]]:
    """Return batches of rows of random tokens, the longest of ``limit`` tokens, without padding.

    Args:
        tokenizer: transformers' tokenizer.
        vocabulary: its number of tokens.
        limit: most tokens of a row.
        with_end: whether rows end with the end token, as texts do; for models that pool its vector.
    """
    rng = np.random.default_rng(_SEED)
    # RoBERTa, for example, counts positions from the padding id, so one inside a row would shift those behind it.
    usable: Any = np.setdiff1d(np.arange(vocabulary), [tokenizer.pad_token_id or 0])
    batches = [[min(length, limit) for length in lengths] for lengths in (*_LENGTHS, (limit,))]
    rows = [[rng.choice(usable, size=size).tolist() for size in sizes] for sizes in batches]
    if with_end:
        rows = [[[*ids[:-1], tokenizer.eos_token_id] for ids in batch] for batch in rows]
    return [[Row(ids, [0] * len(ids)) for ids in batch] for batch in rows]


def checked_texts(manifest: Manifest, served: Tokenizer, reference: Any, *, with_types: bool = False) -> list[Text]:
    """Return the sample texts that fit, after checking that both tokenizers give the same ids.

    Raises:
        ParityError: the ids differ, or no text fits.
    """
    limit = manifest.limits.max_tokens
    pairs = _PAIRS if isinstance(manifest.task, ClassifyTask | QuestionAnswerTask) else ()
    samples: list[Text] = [*TEXTS, " ".join(TEXTS), *pairs]
    texts = [text for text in samples if len(served_row(served, text).ids) <= limit]
    if not texts:
        raise ParityError(f"none of the sample texts fits into {limit} tokens")
    for text in texts:
        actual, expected = served_row(served, text), reference_row(reference, text)
        if actual.ids != expected.ids or (with_types and actual.type_ids != expected.type_ids):
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
    return texts
