"""The demo: one job of every task that has a model, over HTTP, shown as a table of inputs, answers and timings.

Generated texts follow the table, streamed while they are generated.
"""

import textwrap
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from deploy.local.client import CallError, call
from deploy.local.examples import DemoError, example_of, lines_of
from deploy.local.streaming_demo import show_generation

WIDTHS = (24, 36, 46, 20)
"""Columns of the table: request, input, answer, time. Longer inputs and answers are wrapped."""
JOB_WAIT_S = 30.0
MODELS_WAIT_S = 10.0


@dataclass(frozen=True)
class Row:
    """One row of the table: a request, its inputs and its answers."""

    request: list[str]
    inputs: list[str]
    answers: list[str]
    seconds: float
    note: list[str] = field(default_factory=list)


def show(url: str, names: Collection[str], between: Callable[[], None]) -> None:
    """Run the examples on the gateway at ``url`` and print the answers.

    Args:
        url: the gateway, which is ready.
        names: the models that it should know.
        between: called before each job, so that the caller can check its processes.

    Raises:
        DemoError: a call failed, a job failed, or there is no model.
    """
    try:
        models = _models(url, names)
        in_table = [model for model in models if model["task"] != "generate"]
        rows = []
        for model in in_table:
            between()
            rows.append(_run_and_wait(url, model))
            between()
            rows.append(_submit(url, model))
        if rows:
            print(_table(rows))
        for model in models:
            if model not in in_table:
                show_generation(url, model["id"], chat=bool(model.get("chat")), between=between)
    except CallError as error:
        raise DemoError(str(error)) from error
    if not models:
        raise DemoError("no model is announced, so there is nothing to run")


def _models(url: str, names: Collection[str]) -> list[dict[str, Any]]:
    """Return the models once the gateway knows all of them; it reads the announcements every second."""
    started = time.perf_counter()
    while True:
        models: list[dict[str, Any]] = call(f"{url}/v1/models")["data"]
        missing = set(names) - {model["id"] for model in models}
        if not missing:
            return models
        if time.perf_counter() - started > MODELS_WAIT_S:
            raise DemoError(f"the gateway does not know {sorted(missing)}")
        time.sleep(0.1)


def _run_and_wait(url: str, model: dict[str, Any]) -> Row:
    """Run one job through its task route, which responds as soon as the job is done."""
    example = example_of(model)
    inputs = example.inputs
    started = time.perf_counter()
    body = {"model": model["id"], "inputs": inputs, "parameters": example.parameters}
    answer = call(f"{url}/v1/{model['task']}", body)
    seconds = time.perf_counter() - started
    if not isinstance(answer, list) or len(answer) != len(inputs):
        raise DemoError(f"{len(inputs)} inputs for {model['id']} came back as {str(answer)[:200]}")
    return Row([f"POST /v1/{model['task']}", model["id"]], inputs, lines_of(model["task"], answer), seconds)


def _submit(url: str, model: dict[str, Any]) -> Row:
    """Run one background job: submit, poll, read the answer."""
    example = example_of(model)
    text = example.inputs[0]
    started = time.perf_counter()
    body = {"task": model["task"], "model": model["id"], "inputs": text, "parameters": example.parameters}
    job = call(f"{url}/v1/jobs", body)
    submitted = time.perf_counter()
    while job["status"] in {"queued", "running"}:
        if time.perf_counter() - submitted > JOB_WAIT_S:
            raise DemoError(f"job {job['id']} is still {job['status']} after {JOB_WAIT_S:g} s")
        job = call(f"{url}/v1/jobs/{job['id']}?wait=10")  # a long poll
    if job["status"] != "succeeded":
        raise DemoError(f"job {job['id']} ended {job['status']}: {job.get('error')}")
    seconds = time.perf_counter() - started
    note = [f"accepted in {1000 * (submitted - started):.0f} ms"]
    return Row(["POST /v1/jobs", model["id"]], [text], lines_of(model["task"], [job["output"]]), seconds, note)


def _table(rows: list[Row]) -> str:
    lines = [_line("request", "input", "answer", "time"), ""]
    for row in rows:
        pairs = [_pair(text, answer) for text, answer in zip(row.inputs, row.answers, strict=True)]
        inputs, answers = zip(*(line for pair in pairs for line in pair), strict=True)
        timing = [f"{1000 * row.seconds:.0f} ms", *row.note]
        lines += [_line(*cells) for cells in zip_longest(row.request, inputs, answers, timing, fillvalue="")]
        lines.append("")
    return "\n".join(lines)


def _pair(text: str, answer: str) -> Iterable[tuple[str, str]]:
    """Wrap an input and its answer into pairs of lines."""
    return zip_longest(textwrap.wrap(text, WIDTHS[1] - 2), textwrap.wrap(answer, WIDTHS[2] - 2), fillvalue="")


def _line(*cells: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
