"""Holds what loading a part of askr may load with it: purity of the core, speed of the start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, imports_of, name_of, third_parties, with_suffix

# What the wire and the core may import besides themselves. All of it computes, none of it acts.
PURE = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "copy", "dataclasses",
    "difflib", "enum", "fnmatch", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools",
    "json", "math", "msgspec", "operator", "re", "string", "struct", "types", "typing", "unicodedata",
}  # fmt: skip

IO = {"asyncio", "selectors", "socket", "ssl", "subprocess", "uvloop", "websockets"}

pure_modules = [
    path
    for path in with_suffix(".py", under=("askrd",))
    if name_of(path).startswith(("askrd/wire/", "askrd/core/"))
]


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def loaded_by(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter loads for this statement."""
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*set(sys.modules) - before)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


@pytest.mark.parametrize("path", pure_modules, ids=name_of)
def test_thinking_parts_import_only_what_computes(path: Path) -> None:
    own = (
        ("askrd.wire",) if "wire" in path.relative_to(ROOT).parts else ("askrd.wire", "askrd.core")
    )
    foreign = {
        name
        for name in imports_of(path)
        if name.partition(".")[0] not in PURE
        and not f"{name}.".startswith(tuple(f"{o}." for o in own))
    }
    assert foreign == set()


def test_thinking_parts_load_no_io() -> None:
    assert pure_modules, "the wire is missing"
    statement = "\n".join(f"import {dotted_name(path)}" for path in pure_modules)
    assert loaded_by(statement) & IO == set()


def test_importing_the_package_loads_no_loop() -> None:
    modules = loaded_by("import askrd")
    assert modules & IO == set()
    assert third_parties(modules) == set()


def test_the_sdk_loads_only_its_two_libraries() -> None:
    modules = loaded_by("from askrd import Askr, Client")
    # msgspec takes typing_extensions where something else has installed it; it does not need it.
    assert third_parties(modules) <= {"msgspec", "websockets", "typing_extensions"}


def test_the_terminal_starts_without_what_only_some_verbs_need() -> None:
    modules = loaded_by("import askr_cli.__main__")
    assert third_parties(modules) & {"rich", "prompt_toolkit", "pydantic", "uvloop"} == set()
    assert "asyncio" not in modules
