"""The rows of the table of tasks say which packages workers serve; the workers have code for exactly those."""

from typing import Any

import pytest

from contracts.tasks import TASKS, is_served, kinds_of
from workers.decoder.tasks import DECODER, GENERATE
from workers.encoder.tasks import ENCODER, HANDLERS
from workers.runtime.models.loading import WorkerSpec
from workers.seq2seq.tasks import PIPELINES, SEQ2SEQ

HANDLED: list[tuple[WorkerSpec[Any], dict[Any, Any]]] = [
    (ENCODER, HANDLERS),
    (DECODER, {"generate": GENERATE}),
    (SEQ2SEQ, PIPELINES),
]


@pytest.mark.parametrize(("spec", "handlers"), HANDLED, ids=lambda value: getattr(value, "family", ""))
def test_a_worker_takes_what_the_rows_say_and_has_a_handler_for_each_task(
    spec: WorkerSpec[Any], handlers: dict[Any, Any]
) -> None:
    assert spec.kinds == kinds_of(spec.family) != frozenset()
    assert {task for _, task in spec.kinds} == set(handlers)


def test_each_combination_has_one_worker() -> None:
    kinds = [kind for spec, _ in HANDLED for kind in spec.kinds]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) == {(graph, spec.name) for spec in TASKS.values() for graph in spec.graphs}
    assert all(is_served(task, graph) and is_served(task) for graph, task in kinds)


def test_other_packages_are_not_served() -> None:
    assert not is_served("caption") and not is_served("transcribe", "ctc")
    assert not is_served("summarize", "recurrent")
