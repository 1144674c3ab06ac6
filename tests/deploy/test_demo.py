"""The program of `make demo` runs a job of every task and prints a table, or the reason of a failure."""

import re
import signal
from pathlib import Path

from tests.deploy.stack import all_gone, running
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_until

TASKS = ("embed", "classify", "translate", "summarize", "denoise")
NUM_GENERATED = 5
"""How many texts are generated: a poem, a function, and three answers of a conversation."""


def test_the_demo_runs_every_task_and_leaves_no_process() -> None:
    with running("demo") as demo:
        assert demo.wait(PROGRAM_S) == 0, demo.log
    print(demo.log)
    for task in TASKS:
        assert re.search(rf"POST /v1/{task} .+\d+ ms", demo.log), demo.log
    assert len(re.findall(r"^POST /v1/jobs .+\d+ ms$", demo.log, re.MULTILINE)) >= len(TASKS)
    assert (
        len(re.findall(r"first token after \d+ ms, \d+ tokens at \d+ tokens/s$", demo.log, re.MULTILINE))
        == NUM_GENERATED
    )
    assert re.search(r"^    Poem: .+\n    \w+.+\n", demo.log, re.MULTILINE), demo.log
    assert re.search(r"^    def .+\n        \"\"\".+\n        return ", demo.log, re.MULTILINE), demo.log
    assert len(re.findall(r"^    user: .+\n    assistant: \w+", demo.log, re.MULTILINE)) == 3, demo.log
    assert max(map(len, demo.lines)) <= 130


def test_the_demo_says_why_it_failed(tmp_path: Path) -> None:
    with running("demo", TRIPTYCH_MODELS_DIR=str(tmp_path)) as demo:
        assert demo.wait(PATIENCE_S) != 0
    assert re.search(r"(encoder|decoder|seq2seq) refused to start", demo.log)
    assert f"no model package at all in {tmp_path}" in demo.log


def test_ctrl_c_ends_the_demo() -> None:
    with running("demo") as demo:
        wait_until(demo.descendants, "nothing was started")
        descendants = demo.descendants()
        assert demo.end(signal.SIGINT) == 130, demo.log
    wait_until(lambda: all_gone(descendants), "a process was left behind")
