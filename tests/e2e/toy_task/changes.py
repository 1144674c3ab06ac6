"""The change that adds the rank task to a copy of the source tree: two new files, and lines in files that exist."""

import shutil
from pathlib import Path

from tests.support.paths import ROOT

TREE = ("contracts", "services", "workers")
NEW_FILES = {"contracts/tasks/rank.py": "contract.py", "workers/encoder/rank.py": "worker.py"}
_MANIFEST_TABLES = '''class Rank(Table, frozen=True, kw_only=True):
    """Length of the vectors that are compared."""

    dimensions: PositiveInt


class RankTask(TaskTables, frozen=True, kw_only=True, tag="rank"):
    """A query and passages to an order of the passages."""

    rank: Rank


'''
# File to pairs of a text that stands in it once, and what is put before it.
LINES: dict[str, list[tuple[str, str]]] = {
    "contracts/task_names.py": [
        ('    "embed", "classify",', '    "rank",\n'),
        ('    "feature-extraction":', '    "text-ranking": "rank",\n'),
    ],
    "contracts/tasks/__init__.py": [
        ("from contracts.tasks.seq2seq import", "from contracts.tasks.rank import RANK\n"),
        ("EMBED, CLASSIFY,", "RANK, "),
    ],
    "contracts/model_package/tasks.py": [
        ("Task = (\n", _MANIFEST_TABLES),
        ("    EmbedTask\n    |", "    RankTask |\n"),
    ],
    "contracts/model_package/document.py": [('    "embed", "classify",', '    "rank",\n')],
    "contracts/model_package/signatures.py": [
        ('        "embed": (TensorSpec(', '        "rank": (TensorSpec("last_hidden_state", FLOAT, 3),),\n'),
    ],
    "workers/encoder/tasks.py": [
        ("from workers.runtime.batching.engine import", "from workers.encoder.rank import RANK\n"),
        ('"embed": EMBED', '"rank": RANK, '),
    ],
}  # fmt: skip


def changed_tree(folder: Path) -> Path:
    """Copy the gateway and the workers to a folder, add the task, and return the folder."""
    for name in TREE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, source in NEW_FILES.items():
        assert not (folder / path).exists()
        shutil.copy(Path(__file__).parent / source, folder / path)
    for path, changes in LINES.items():
        text = (folder / path).read_text()
        for anchor, added in changes:
            assert text.count(anchor) == 1, f"{path} has no single {anchor!r}: adapt this change to it"
            text = text.replace(anchor, added + anchor)
        (folder / path).write_text(text)
    return folder
