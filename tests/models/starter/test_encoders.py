"""The two starter encoders: their answers, their tokenizers, and their held-out sets."""

import numpy as np
import pytest

from onnx_models.encoders.texts.served import ServedModel, cosines
from onnx_models.starter.classify.sentences import LABELS, labelled_sentences
from onnx_models.starter.embed.evaluation import NUM_PAIRS
from onnx_models.starter.embed.paraphrases import FRAMES, HELD_OUT_FRAMES, all_meanings, held_out_pairs, is_held_out
from onnx_models.starter.evaluation import HELD_OUT_SEED
from tests.models.starter.conftest import starter_package

TASKS = ["classify", "embed"]


def served(task: str) -> ServedModel:
    return ServedModel(starter_package(task))


def test_common_words_alone_do_not_find_paraphrases() -> None:
    quality = starter_package("embed").manifest.quality

    assert quality["nearest_neighbour_by_common_words"] < 0.5


def test_held_out_sentences_are_the_same_each_time_and_not_those_of_training() -> None:
    assert held_out_pairs(40, HELD_OUT_SEED) == held_out_pairs(40, HELD_OUT_SEED)
    assert labelled_sentences(60, 1, held_out=True) == labelled_sentences(60, 1, held_out=True)
    assert not {frame for frames in FRAMES.values() for frame in frames} & {
        frame for frames in HELD_OUT_FRAMES.values() for frame in frames
    }
    share = np.mean([is_held_out(meaning) for meaning in all_meanings()])
    assert 0.15 < share < 0.25


def test_the_gallery_holds_other_meanings_only() -> None:
    pairs = held_out_pairs(NUM_PAIRS, HELD_OUT_SEED)

    assert len(pairs) == NUM_PAIRS
    assert len({paraphrase.lower() for _, paraphrase in pairs}) == NUM_PAIRS
    assert all(query.lower() != paraphrase.lower() for query, paraphrase in pairs)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this, it is wonderful!", "positive"),
        ("What a terrible film, I hated it.", "negative"),
        ("The train to Vienna leaves at noon.", "neutral"),
    ],
)
def test_plain_opinions_get_the_plain_label(text: str, label: str) -> None:
    scores = served("classify").predict([text])[0]

    assert LABELS[int(scores.argmax())] == label
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_similar_requests_are_near_and_others_far() -> None:
    texts = ["How do I reset my password?", "I want to restore my login", "A dog is running on the beach"]
    vectors = served("embed").predict(texts)
    table = cosines(vectors, vectors)

    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert table[0, 1] > table[0, 2] + 0.3


@pytest.mark.parametrize("task", TASKS)
def test_any_text_becomes_letters_rather_than_unknown(task: str) -> None:
    model = served(task)
    unknown = model.tokenizer.token_to_id("[UNK]")

    for text in ("Xylophone-Quetzalcoatl 2,500 €", "naïve Ærøskøbing Straße", "Привет, Καλημέρα", "a@b.org #1 {x} ~ ^"):
        assert unknown not in model.tokenize(text).ids, text
    assert unknown in model.tokenize("漢").ids, "signs of a script it does not know are one unknown each"


@pytest.mark.parametrize("task", TASKS)
def test_a_row_of_the_most_tokens_runs_and_a_batch_changes_nothing(task: str) -> None:
    model = served(task)
    longest = "good " * 254
    assert len(model.tokenize(longest).ids) == 256
    texts = ["fine", longest, "The hotel was dirty."]

    together = model.predict(texts)
    alone = np.concatenate([model.predict([text]) for text in texts])

    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
