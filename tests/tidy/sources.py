"""Finds the files of the repository for the rules in this folder."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("askrd", "askr_cli")
GENERATED = re.compile(r"(^|/)(\.git|\.venv|\.\w+_cache|\.hypothesis|__pycache__|build|dist)/")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that belongs to the repository, new ones included, ignored ones not.

    Outside a git checkout (an unpacked source archive) it is every file that nobody generates.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not GENERATED.search(name_of(path))]
    return tuple(sorted(path for path in paths if path.is_file() and not path.is_symlink()))


def name_of(path: Path) -> str:
    """The path as a reader of the repository writes it."""
    return path.relative_to(ROOT).as_posix()


def with_suffix(*suffixes: str, under: tuple[str, ...] = ()) -> list[Path]:
    """Tracked files with one of these suffixes, below one of these top folders (or anywhere)."""
    return [
        path
        for path in tracked()
        if path.suffix in suffixes and (not under or path.relative_to(ROOT).parts[0] in under)
    ]


def product_modules() -> list[Path]:
    """The modules that are installed."""
    return with_suffix(".py", under=PACKAGES)


def python_files() -> list[Path]:
    """Every Python file, tests, benchmarks and examples included."""
    return with_suffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file, with `parent` set on every node but the root."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            child.parent = parent  # type: ignore[attr-defined]
    return tree


def text_files() -> list[tuple[str, str]]:
    """Name and text of every tracked file that is text."""
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((name_of(path), data.decode("utf-8", errors="replace")))
    return found


def imports_of(path: Path) -> set[str]:
    """Names of all modules that a file imports, wherever the import stands."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def third_parties(modules: set[str]) -> set[str]:
    """Distributions among these modules that are neither ours nor the standard library's."""
    tops = {name.partition(".")[0] for name in modules}
    return {top for top in tops - sys.stdlib_module_names - {"askrd", "askr_cli"} if top[0] != "_"}
