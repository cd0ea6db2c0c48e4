"""Where JavaScript runs without a page: Node from version 22 on, and Deno, when they are here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.agent_process import ROOT

HERE = Path(__file__).parent
MODULE = ROOT / "askrd" / "browser" / "askr.js"
FETCHED = ROOT / ".venv" / "javascript" / "node_modules" / ".bin"
"""Where `make runtimes` puts them."""
NODE_VERSION_MIN = 22
NAMES = ["node", "deno"]


def program_of(name: str) -> list[str]:
    """Returns the words that begin a program of `node` or `deno`; skips the test without it.

    Asked for by `ASKR_NODE` and `ASKR_DENO`, fetched by `make runtimes`, or on the path.
    """
    variable = f"ASKR_{name.upper()}"
    found = os.environ.get(variable) or shutil.which(name, path=FETCHED) or shutil.which(name)
    if found is None:
        pytest.skip(f"NOT TESTED: no {name} here; `make runtimes` fetches it, or set {variable}")
    if name == "deno":
        return [found, "run", "-A", "--quiet", "--no-lock"]
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"v(\d+)\.", said)
    if version is None or int(version[1]) < NODE_VERSION_MIN:
        pytest.skip(
            f"NOT TESTED: {found} is {said.strip()}, older than {NODE_VERSION_MIN}, which the client "
            f"needs; `make runtimes` fetches one, or set {variable}"
        )
    return [found]


def module_for(name: str, port: int) -> str:
    """Returns what to import: Deno takes the module from the daemon, Node knows files only."""
    return f"http://127.0.0.1:{port}/askr.js" if name == "deno" else str(MODULE)
