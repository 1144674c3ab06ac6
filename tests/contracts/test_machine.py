"""CPUs and memory by the limits of the cgroup, in both versions; CPUs by the affinity too."""

import os
from pathlib import Path

import pytest

from contracts.machine import available_cpus, memory_limit_bytes, share_of_memory

MACHINE_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
ALL = len(os.sched_getaffinity(0))


def v2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def v1(folder: Path, quota: str, period: str) -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu" / "cpu.cfs_period_us").write_text(period)
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", ALL),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("199999 100000\n", 1),
        (f"{ALL * 100000} 100000\n", ALL),
        ("99900000 100000\n", ALL),
        ("0 100000\n", ALL),
        ("garbage\n", ALL),
        ("a b\n", ALL),
        ("", ALL),
    ],
)
def test_a_quota_of_cgroup_v2_limits_the_threads(tmp_path: Path, text: str, expected: int) -> None:
    assert available_cpus(v2(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [("-1\n", "100000\n", ALL), ("100000\n", "100000\n", 1), ("150000\n", "100000\n", 1), ("1\n", "0\n", 1)],
)
def test_a_quota_of_cgroup_v1_limits_the_threads(tmp_path: Path, quota: str, period: str, expected: int) -> None:
    assert available_cpus(v1(tmp_path, quota, period)) == expected


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path / "nothing") == ALL


def test_the_affinity_counts_below_the_quota(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cpus(v2(tmp_path, "800000 100000")) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("268435456\n", 2**28), ("max\n", MACHINE_BYTES), (f"{2 * MACHINE_BYTES}\n", MACHINE_BYTES), ("", MACHINE_BYTES)],
)
def test_the_memory_limit_of_cgroup_v2(tmp_path: Path, text: str, expected: int) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert memory_limit_bytes(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("268435456\n", 2**28), ("9223372036854771712\n", MACHINE_BYTES), ("-1\n", MACHINE_BYTES)]
)
def test_the_memory_limit_of_cgroup_v1(tmp_path: Path, text: str, expected: int) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(text)
    assert memory_limit_bytes(tmp_path) == expected


def test_without_cgroups_the_memory_is_that_of_the_machine(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path / "nothing") == MACHINE_BYTES


def test_a_worker_may_take_most_of_its_container_or_a_quarter_of_a_machine(tmp_path: Path) -> None:
    assert share_of_memory(tmp_path) == MACHINE_BYTES // 4
    (tmp_path / "memory.max").write_text("1000000\n")
    assert share_of_memory(tmp_path) == 900000
