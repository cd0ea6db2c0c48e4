"""Compiles the hot path while a wheel is built; docs/decisions/0009-compiled-hot-path.md says why.

Set ASKR_COMPILE to 1 to have the build fail when it cannot compile, to 0 for pure Python. Without
it the wheel is compiled where Cython, a C compiler and Python's headers are to be had, and pure
elsewhere. An editable install is always pure, so that what is edited is what runs.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from setuptools import Extension

MODULES = (
    "askrd.core.changes",
    "askrd.core.commits",
    "askrd.core.entries",
    "askrd.core.gate",
    "askrd.core.routes",
    "askrd.core.rules",
    "askrd.core.services",
    "askrd.core.outbox",
    "askrd.core.router",
    "askrd.core.session",
    "askrd.core.state",
    "askrd.core.statistics",
    "askrd.core.subscriptions",
    "askrd.core.switchboard",
    "askrd.core.watchers",
    "askrd.core.wheel",
    "askrd.core.workspace",
    "askrd.core.writes",
    "askrd.doors.door",
    "askrd.doors.messages",
    "askrd.doors.websocket",
    "askrd.relay",
    "askrd.wire.codec",
)
"""What is compiled: each with the C types in the `.pxd` of its name, where there is one."""
TOOLS = ["cython>=3.1,<4", "setuptools>=77"]
DIRECTIVES = {
    "annotation_typing": False,  # annotations stay for mypy; the .pxd files say what is C
    "initializedcheck": False,
    "language_level": 3,
}


class CompiledHotPath(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel, beside the Python ones they are made from."""

    def dependencies(self) -> list[str]:
        """Returns what is needed to compile, when that is to be tried."""
        return TOOLS if _is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles; a failure ends the build only when ASKR_COMPILE=1 asked for it."""
        if version == "editable" or not _is_wanted():
            return
        self._built_in = Path(mkdtemp(prefix="askr-"))
        try:
            built = _compile(Path(self.root), self._built_in)
        except (Exception, SystemExit) as exc:  # a compiler fails in many ways
            if os.environ.get("ASKR_COMPILE") == "1":
                raise
            self.app.display_warning(f"not compiled, pure Python is installed: {exc}")
            return
        build_data["force_include"].update({str(path): name for name, path in built.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what the compiler left."""
        shutil.rmtree(getattr(self, "_built_in", Path("/nonexistent")), ignore_errors=True)


def _is_wanted() -> bool:
    asked = os.environ.get("ASKR_COMPILE", "")
    if asked:
        return asked != "0"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    is_cpython = sys.implementation.name == "cpython"
    return is_cpython and shutil.which(os.environ.get("CC", compiler)) is not None


def _compile(root: Path, target: Path) -> dict[str, Path]:
    """Returns the compiled modules by their place in the wheel."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    before = Path.cwd()
    os.chdir(root)
    try:
        wanted = [
            Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=["-O2", "-g0"])
            for name in MODULES
        ]
        found: list[Extension] = cythonize(
            wanted, build_dir=str(target), compiler_directives=DIRECTIVES, force=True, quiet=True
        )
        command = build_ext(Distribution({"name": "askrd", "ext_modules": found}))
        command.build_lib, command.build_temp = str(target / "lib"), str(target / "temp")
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
        names = [command.get_ext_filename(extension.name) for extension in found]
    finally:
        os.chdir(before)
    return {name: target / "lib" / name for name in names}
