"""The rows of the benchmark through the SDKs, once per build of askrd, for the same results file."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.daemon import PROJECT
from bench.peers.programs import COMPILED
from bench.peers.results import Members
from bench.peers.rounds import say

MODULE = "bench.sdk"
SECONDS_MAX = 900
BUILDS = {"askrd": ("pure", PROJECT), "askrd-compiled": ("compiled", COMPILED)}
"""By program: what the build is called, and where its askrd lies."""


def measure(programs: Sequence[str], *, rounds: int, quick: bool) -> list[Members]:
    """Returns what the benchmark found for each build among ``programs``, where there is one.

    Each build is measured beside the peers, in turns; its SDK is that of the same build.
    """
    if importlib.util.find_spec(MODULE) is None:
        return []
    rows: list[Members] = []
    for program, (build, folder) in BUILDS.items():
        if program in programs:
            say(f"through the SDKs, {build}")
            found = _rows(folder, rounds=rounds, quick=quick)
            rows += [{"build": build} | row for row in found]
    return rows


def _rows(folder: Path, *, rounds: int, quick: bool) -> list[Members]:
    command = [sys.executable, "-m", MODULE, "--json", "--rounds", str(rounds)]
    command += ["--quick"] if quick else []
    # The first folder decides which askrd is imported, by the daemon as well as by both clients.
    imports = os.pathsep.join((str(folder), str(PROJECT)))
    environment = os.environ | {"PYTHONPATH": imports, "PYTHONSAFEPATH": "1"}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            timeout=SECONDS_MAX,
            check=False,
            cwd=PROJECT,
            env=environment,
        )
        return list(json.loads(done.stdout)["rows"])
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as exc:
        say(f"{MODULE} gave no rows: {exc}")
        return []


def ratio_to(
    rows: Sequence[Members], name: str, build: str, system: str, peer: str
) -> float | None:
    """Returns how many times the rate of ``peer`` one row reached, or ``None`` without a figure."""
    for row in rows:
        if (row["name"], row["build"], row["system"]) == (name, build, system):
            ratios = row.get("ratios")
            value = ratios.get(peer) if isinstance(ratios, dict) else None
            return float(value) if value is not None else None
    return None
