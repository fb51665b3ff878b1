"""Free memory: of the machine, and of the control groups of the process."""

import os
import sys

import pytest

from skmmap.read.free_memory import (
    _find_group_memory,
    _iter_group_memory,
    find_free_for,
    find_free_memory,
)

V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
V2 = "memory.max", "memory.current", ""


@pytest.mark.parametrize(
    ("line", "folder", "names"),
    [("0::/job", "job", V2), ("9:cpu:/\n5:memory:/job", "memory/job", V1)],
)
def test_the_limit_of_a_control_group_counts(tmp_path, line, folder, names):
    group = tmp_path / folder / "task"
    group.mkdir(parents=True)
    limit, usage, prefix = names
    (group.parent / limit).write_text("1000\n")
    (group.parent / usage).write_text("700\n")
    # Shared memory is a part of "file", and nothing that can be taken back.
    stat = f"file 300\nshmem 100\n{prefix}inactive_file 150\n{prefix}active_file 50\n"
    (group.parent / "memory.stat").write_text(stat)
    for child in (line, f"{line}/task"):
        assert list(_iter_group_memory(child, tmp_path)) == [500]
    (group / limit).write_text("max" if "max" in limit else str(2**63))
    (group / usage).write_text("10")
    (group / "memory.stat").write_text("")
    assert min(_iter_group_memory(f"{line}/task", tmp_path)) == 500
    assert list(_iter_group_memory("0::/elsewhere", tmp_path)) == []


@pytest.mark.parametrize("odd", ["", "much", "\0", None])
def test_odd_files_are_no_limit(tmp_path, odd):
    for name in ("memory.current", "memory.stat"):
        (tmp_path / name).write_text("1")
    if odd is None:
        (tmp_path / "memory.max").mkdir()
    else:
        (tmp_path / "memory.max").write_text(odd)
    assert _find_group_memory(tmp_path, *V2) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_free_memory_is_a_part_of_the_machine():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < find_free_memory() <= total
    assert 0 < find_free_for(10**8) <= total


def test_a_little_memory_costs_no_look(monkeypatch):
    monkeypatch.setattr("skmmap.read.free_memory.find_free_memory", lambda: 1 / 0)
    assert find_free_for(10**6) is None


@pytest.mark.parametrize("name", ["cgroup", "meminfo"])
@pytest.mark.parametrize("text", ["", "odd", "1::"])
def test_odd_tables_of_the_system_are_unknown(monkeypatch, name, text):
    monkeypatch.setattr(sys, "platform", "linux")
    tables = {"/proc/meminfo": "MemAvailable: 100 kB", "/proc/self/cgroup": "0::/"}

    def read(path):
        if name in path:
            return text
        return tables.get(path) or (_ for _ in ()).throw(OSError())

    monkeypatch.setattr("skmmap.read.free_memory._read", read)
    known = name == "cgroup" and text != "odd"
    assert find_free_memory() == (100 * 1024 if known else None)
