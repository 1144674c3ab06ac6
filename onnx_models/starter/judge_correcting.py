"""Measure the starter corrector on sentences held out from training; needs no training library."""

from collections.abc import Sequence

from contracts.model_package.package import ModelPackage
from onnx_models.starter.judge import HELD_OUT_SEED, Quality
from onnx_models.starter.spelling.correcting import correct
from onnx_models.starter.spelling.exercises import Exercise, held_out_exercises
from onnx_models.starter.spelling.probes import PROBES

NUM_SENTENCES = 500


def judge_corrector(package: ModelPackage) -> Quality:
    """Return the shares of sentences with errors that come back right, and of those without that come back as they are.

    A sentence counts only if all of it is right, to the last space.
    """
    usual = held_out_exercises(NUM_SENTENCES, HELD_OUT_SEED)
    unseen = held_out_exercises(NUM_SENTENCES, HELD_OUT_SEED + 1, misspellings_held_out=True)
    strange = held_out_exercises(NUM_SENTENCES, HELD_OUT_SEED + 2, strange=True)
    return {
        "corrected": share_right(package, usual),
        "clean_kept": share_right(package, _clean(usual)),
        "corrected_unseen_misspellings": share_right(package, unseen),
        "corrected_beside_unknown_words": share_right(package, strange),
        "clean_kept_with_unknown_words": share_right(package, _clean(strange)),
        "corrected_handwritten": share_right(package, PROBES),
        "clean_kept_handwritten": share_right(package, _clean(PROBES)),
        "num_sentences": NUM_SENTENCES,
        "num_handwritten": len(PROBES),
        "measured_on": "synthetic sentences whose combinations were never trained on, one or two errors each, "
        f"seed {HELD_OUT_SEED}; unseen misspellings: letter errors only, none as training had it; unknown words: "
        "made-up ones stand for all things, places and people; handwritten, and looked at once between the rounds "
        "of training: onnx_models/starter/spelling/probes.py",
    }


def share_right(package: ModelPackage, exercises: Sequence[Exercise]) -> float:
    """Return the share of exercises that the package answers as it should."""
    answers = correct(package, [exercise.typed for exercise in exercises])
    right = sum(answer == exercise.right for answer, exercise in zip(answers, exercises, strict=True))
    return round(right / len(exercises), 4)


def _clean(exercises: Sequence[Exercise]) -> list[Exercise]:
    return [Exercise(exercise.right, exercise.right) for exercise in exercises]
