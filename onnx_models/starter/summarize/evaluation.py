"""Measure the starter summarizer: facts stated correctly and exact headlines on held-out reports."""

import random

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.starter.evaluation import HELD_OUT_SEED, exact_match, share
from onnx_models.starter.generation import generate
from onnx_models.starter.summarize.reports import TOPICS, Report, num_correct, write_report
from onnx_models.starter.texts.example import Example

NUM_REPORTS = 20
"""Reports of each topic."""
_NUM_HEADLINES = 4
_NUM_ROWS = 100


def held_out_reports(num_reports: int = NUM_REPORTS, seed: int = HELD_OUT_SEED) -> list[Report]:
    """Return reports of each topic, with names and figures held out from training; the same each time."""
    rng = random.Random(seed)  # noqa: S311 - reports, not secrets
    return [write_report(rng, topic, held_out=True) for topic in TOPICS for _ in range(num_reports)]


def evaluate(package: ModelPackage) -> Figures:
    """Return the shares of facts stated correctly, of exact headlines, and of rows summarized by their first headline.

    A fact counts if the headline has the wording of its topic and the fact in its place. A row is several headlines
    joined, like the summaries of a long text's chunks.
    """
    reports = held_out_reports()
    outputs = generate(package, [report.text for report in reports])
    num_facts = sum(len(report.facts) for report in reports)
    stated = sum(num_correct(report, output or "") for report, output in zip(reports, outputs, strict=True))
    return {
        "facts": round(stated / num_facts, 4),
        "headlines_exact": share(report.headline == output for report, output in zip(reports, outputs, strict=True)),
        "first_of_headlines_kept": exact_match(package, _rows_of_headlines(reports)),
        "num_reports": len(reports),
        "num_facts": num_facts,
        "num_rows": _NUM_ROWS,
        "measured_on": "synthetic reports; names, and figures of two digits and more, were never trained on, seed "
        f"{HELD_OUT_SEED}; exact: the headline of onnx_models/starter/summarize/ to the last sign",
    }


def _rows_of_headlines(reports: list[Report]) -> list[Example]:
    rng = random.Random(HELD_OUT_SEED)  # noqa: S311 - reports, not secrets
    rows = [[report.headline for report in rng.sample(reports, _NUM_HEADLINES)] for _ in range(_NUM_ROWS)]
    return [Example(" ".join(headlines), headlines[0]) for headlines in rows]
