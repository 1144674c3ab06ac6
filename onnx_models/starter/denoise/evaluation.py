"""Measure the starter corrector: sentences with errors that it corrects, and sentences without that it keeps."""

from collections.abc import Sequence

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.starter.denoise.corpus import PROBES, held_out_examples
from onnx_models.starter.evaluation import HELD_OUT_SEED, exact_match
from onnx_models.starter.texts.example import Example

NUM_SENTENCES = 500


def evaluate(package: ModelPackage) -> Figures:
    """Return the shares of sentences that are right as a whole, to the last space."""
    usual = held_out_examples(NUM_SENTENCES, HELD_OUT_SEED)
    # Another seed for each set: with the same one they would begin with the same sentences.
    unseen = held_out_examples(NUM_SENTENCES, HELD_OUT_SEED + 1, misspellings_held_out=True)
    unknown = held_out_examples(NUM_SENTENCES, HELD_OUT_SEED + 2, unknown=True)
    return {
        "corrected": exact_match(package, usual),
        "clean_kept": exact_match(package, _clean(usual)),
        "corrected_unseen_misspellings": exact_match(package, unseen),
        "corrected_beside_unknown_words": exact_match(package, unknown),
        "clean_kept_with_unknown_words": exact_match(package, _clean(unknown)),
        "corrected_handwritten": exact_match(package, PROBES),
        "clean_kept_handwritten": exact_match(package, _clean(PROBES)),
        "num_sentences": NUM_SENTENCES,
        "num_handwritten": len(PROBES),
        "measured_on": "synthetic sentences whose combinations were never trained on, one or two errors each, "
        f"seed {HELD_OUT_SEED}; unseen misspellings: letter errors only, none as training had it; unknown words: "
        "made-up ones stand for all things, places and people; handwritten, and looked at once between the rounds "
        "of training: onnx_models/starter/denoise/probes.txt",
    }


def _clean(examples: Sequence[Example]) -> list[Example]:
    """Return the corrected sentences, which the model must not change."""
    return [Example(example.target, example.target) for example in examples]
