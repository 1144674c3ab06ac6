"""The folder in which the processes of a gateway count."""

import os
from pathlib import Path

from services.gateway.monitoring.shared_files import make_folder


def long_ago(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_a_new_gateway_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    in_use = Path(make_folder(str(tmp_path)))  # this process holds its lock
    left, just_made, other = (tmp_path / name for name in ("triptych-metrics-a", "triptych-metrics-b", "other"))
    for folder in (left, just_made, other):
        folder.mkdir()
        (folder / "counter_0.db").touch()
    (tmp_path / "triptych-metrics-link").symlink_to(other)
    for folder in (in_use, left, other):
        long_ago(folder)
    made = Path(make_folder(str(tmp_path)))
    assert not left.exists()
    assert in_use.is_dir() and just_made.is_dir() and (other / "counter_0.db").exists() and made.is_dir()
