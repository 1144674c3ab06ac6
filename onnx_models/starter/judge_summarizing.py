"""Measure the starter summarizer on reports held out from training; needs no training library."""

import random

from contracts.model_package.package import ModelPackage
from onnx_models.starter.answering import answer_texts
from onnx_models.starter.judge import HELD_OUT_SEED, Quality
from onnx_models.starter.reporting.reports import Report, num_right, write_report
from onnx_models.starter.reporting.topics import TOPICS

NUM_REPORTS = 20
"""Of each topic."""
_NUM_IN_A_ROW = 4
_NUM_ROWS = 100


def held_out_reports(num_reports: int = NUM_REPORTS, seed: int = HELD_OUT_SEED) -> list[Report]:
    """Return so many reports of each topic, with names and figures held out from training; the same each time."""
    rng = random.Random(seed)  # noqa: S311 - reports, not secrets
    return [write_report(rng, topic, held_out=True) for topic in TOPICS for _ in range(num_reports)]


def judge_summarizer(
    package: ModelPackage, num_reports: int = NUM_REPORTS, num_rows: int = _NUM_ROWS
) -> Quality:  # fmt: skip
    """Return the share of facts that headlines state rightly, of headlines that are right in whole, and of rows.

    A fact counts if the headline is worded as its topic's are and has the fact in its place. A row is several headlines
    behind each other, as those of a long text's parts are; of it the first is to come back.
    """
    reports = held_out_reports(num_reports)
    headlines = answer_texts(package, [report.text for report in reports])
    right = sum(num_right(report, text or "") for report, text in zip(reports, headlines, strict=True))
    exact = sum(report.headline == text for report, text in zip(reports, headlines, strict=True))
    rng = random.Random(HELD_OUT_SEED)  # noqa: S311 - reports, not secrets
    rows = [[report.headline for report in rng.sample(reports, _NUM_IN_A_ROW)] for _ in range(num_rows)]
    kept = sum(row[0] == text for row, text in zip(rows, answer_texts(package, [" ".join(row) for row in rows]),
                                                   strict=True))  # fmt: skip
    return {
        "facts": round(right / sum(len(report.facts) for report in reports), 4),
        "headlines_exact": round(exact / len(reports), 4),
        "first_of_headlines_kept": round(kept / len(rows), 4),
        "num_reports": len(reports),
        "num_facts": sum(len(report.facts) for report in reports),
        "num_rows": len(rows),
        "measured_on": "synthetic reports; names, and figures of two digits and more, were never trained on, seed "
        f"{HELD_OUT_SEED}; exact: the headline of onnx_models/starter/reporting/ to the last sign",
    }
