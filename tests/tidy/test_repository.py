"""Holds the repository around the code: its words, its links, its size, its change log."""

import importlib.metadata
import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from askrd.version import VERSION
from tests.tidy.sources import (
    PACKAGES,
    ROOT,
    imports_of,
    name_of,
    text_files,
    third_parties,
    tracked,
    with_suffix,
)

FILE_BYTES_MAX = 150_000
CLOSURE_BYTES_MAX = 45_000_000

# What no file may hold, and why. The patterns are written so that they do not match themselves.
BANNED = {
    "a path of one machine": r"(^|[^\w.-])/(work|farm|root)/[a-z.]|/tmp/[v]/",
    "a package registry": r"https?://(files|registry|deb|security|pypi)[.]|farm-[a-z]+",
    "a file outside the repository": r"[.][.]/shared",
    "somebody else's distribution": r"\b(pip\w*|uv|uvx)( tool| pip)? (install|run)( -\S+)* askr\b(?!d)",
    "the number of an issue": r"\b[Ii]ssue #?\d+|\(#\d+\)",
}
# The one file that is loaded by pytest alone, and may therefore count on it.
PYTEST_PLUGIN = ("askrd/testing/plugin.py", "pytest")

# Extras that the product itself imports from, where they are installed.
USED_EXTRAS = ("http", "zstd")

# Modules whose distribution has another name; None = a later Python has them of its own.
DISTRIBUTIONS = {"backports": "backports.zstd", "compression": None}

CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

markdown = pytest.mark.parametrize("path", with_suffix(".md"), ids=name_of)


@pytest.mark.parametrize("meaning", BANNED)
def test_the_repository_speaks_of_itself_alone(meaning: str) -> None:
    pattern = re.compile(BANNED[meaning], re.MULTILINE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group().strip()}"
        for name, text in text_files()
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_files_are_small() -> None:
    big = {name_of(p): p.stat().st_size for p in tracked() if p.stat().st_size > FILE_BYTES_MAX}
    assert big == {}


def slug(heading: str) -> str:
    """The anchor that a Markdown viewer makes of a heading."""
    words = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def prose_of(text: str) -> str:
    """The text without its code."""
    return re.sub(r"`[^`\n]*`", "", CODE_BLOCK.sub("", text))


@markdown
def test_links_lead_somewhere(path: Path) -> None:
    prose = prose_of(path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", prose, flags=re.MULTILINE)
    broken = []
    for link in (inline or reference for inline, reference in links):
        if re.match(r"[a-z]+:", link):
            continue  # the web and mail are not ours to check
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        anchored = not anchor or (target.suffix == ".md" and anchor in anchors_of(target))
        if not target.exists() or not target.is_relative_to(ROOT) or not anchored:
            broken.append(link)
    assert broken == []


def anchors_of(path: Path) -> set[str]:
    if not path.exists():
        return set()
    code_free = CODE_BLOCK.sub("", path.read_text(encoding="utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", code_free, flags=re.MULTILINE)}


def test_change_log_has_an_open_section_on_top() -> None:
    headings = re.findall(
        r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert headings[:1] == ["Unreleased"]


def closure_of(name: str) -> set[str]:
    """Installed distributions that a plain installation of this one brings along."""
    waiting, found = [name], set()
    while waiting:
        current = canonicalize_name(waiting.pop())
        if current not in found:
            found.add(current)
            for line in importlib.metadata.requires(current) or []:
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    waiting.append(requirement.name)
    return found


def bytes_of(name: str) -> int:
    files = importlib.metadata.files(name) or []
    paths = [Path(file.locate()) for file in files if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.exists())


def test_a_plain_installation_is_small() -> None:
    try:
        names = closure_of("askrd")
    except importlib.metadata.PackageNotFoundError as error:
        pytest.skip(f"not installed here: {error}")
    sizes = {name: bytes_of(name) for name in names}
    sizes["askrd"] = sum(p.stat().st_size for p in tracked() if name_of(p).startswith(PACKAGES))
    assert sum(sizes.values()) <= CLOSURE_BYTES_MAX, sizes


def project() -> dict[str, Any]:
    """The table `[project]`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_written_once() -> None:
    assert project()["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs/decisions/0001-dependencies.md").read_text(encoding="utf-8")
    lines = chain(project()["dependencies"], *project()["optional-dependencies"].values())
    named = {Requirement(line).name for line in lines} - {"askrd"}
    assert {name for name in named if f"`{name}`" not in reasons} == set()


def test_every_library_is_declared_and_every_declared_one_is_used() -> None:
    optional = project()["optional-dependencies"]
    lines = chain(project()["dependencies"], *(optional[extra] for extra in USED_EXTRAS))
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    imported = {
        canonicalize_name(distribution)
        for path in with_suffix(".py", under=PACKAGES)
        for name in third_parties(imports_of(path))
        if (name_of(path), name) != PYTEST_PLUGIN
        and (distribution := DISTRIBUTIONS.get(name, name)) is not None
    }
    assert imported == declared
