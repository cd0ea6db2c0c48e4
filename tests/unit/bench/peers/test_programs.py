"""A program that is not here is a named gap, and one that is here is found."""

from pathlib import Path

import pytest

import bench.peers.programs as module
from bench.peers.programs import PROGRAMS, Missing
from bench.peers.systems import SYSTEMS
from bench.workloads import WORKLOADS


def test_missing_program_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "DAEMON_FOLDERS", ())
    monkeypatch.setattr(module.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Missing, match="redis-server is not installed: apt install redis-server"):
        PROGRAMS["redis"].version()


def test_program_that_is_named_but_absent_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.CROSSBAR_VARIABLE, "/nowhere/crossbar")
    with pytest.raises(Missing, match="cannot be run"):
        PROGRAMS["crossbar"].version()


def test_absent_compiled_build_is_a_gap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="make compiled"):
        module._askrd_version(tmp_path, compiled=True)


def test_checkout_is_not_taken_for_a_compiled_build() -> None:
    with pytest.raises(Missing, match="not the build that was meant"):
        module._askrd_version(module.PROJECT, compiled=True)


def test_every_system_takes_the_sequential_round_trip() -> None:
    [alone] = [workload for workload in WORKLOADS if workload.name == "call-1"]
    assert [system.name for system in SYSTEMS if not system.takes(alone)] == []


def test_names_of_systems_are_unique() -> None:
    names = [system.name for system in SYSTEMS]
    assert len(names) == len(set(names))
