"""Routers that lack some checks, built like the askrd that runs: interpreted or compiled.

Run as a program, `python -m bench.router_variants CHECK,CHECK serve ...` is an askrd whose router
lacks these checks (`-` for none of them). It is for `python -m bench.tax --daemon` only.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import askrd.core
from askrd.core.router import Router
from askrd.version import BUILD
from bench.bare_router import CHECKS, PERMISSION, Check, changed_source

SOURCE = Path(askrd.core.__file__).with_name("router.py")
CACHE = Path(__file__).resolve().parent.parent / "build" / "bench" / "variants"
COMPILE_SECONDS = 300
TYPES = """
from askrd.core.destinations cimport Service
@cython.locals(service=Service, members=list, cursor=Py_ssize_t)
cdef Instance _turn_unchecked(Route route)
"""
"""Types of the function that a variant has and the router has not."""
DIRECTIVES = ("annotation_typing=False", "initializedcheck=False", "language_level=3")
"""The same as in hatch_build.py."""


class NotCompiled(Exception):
    """A variant cannot be compiled here; the text says why."""


def make_router(checks: Collection[Check]) -> type[Router]:
    """Returns a router that lacks ``checks``; without any, the router as it is, made the same way.

    Raises:
        Drifted: a check is not found in the router's source any more.
        NotCompiled: this askrd is compiled and the variant cannot be.
    """
    code = changed_source(SOURCE.read_text(), checks)
    digest = hashlib.sha256("\0".join((code, TYPES, *_types())).encode()).hexdigest()[:12]
    name = f"askrd.core.router_{digest}"
    module = _compiled(name, code) if BUILD == "compiled" else _interpreted(name, code)
    found: type[Router] = module.__dict__["Router"]
    return found


def _types() -> list[str]:
    """Returns what decides how a compiled class lies in memory: a variant fits one version only."""
    return [path.read_text() for path in sorted(SOURCE.parents[1].rglob("*.pxd"))]


def _interpreted(name: str, code: str) -> ModuleType:
    module = ModuleType(name)
    exec(compile(code, f"<{name}>", "exec"), module.__dict__)
    return module


def _compiled(name: str, code: str) -> ModuleType:
    """Compiles the variant as a neighbour of the router, in a copy of the sources."""
    folder = CACHE / name.rpartition("_")[2]
    path = (folder / name.replace(".", "/")).with_suffix(EXTENSION_SUFFIXES[0])
    if not path.exists():
        _compile(folder, path.with_name(name.rpartition(".")[2] + ".py"), code)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _compile(folder: Path, source: Path, code: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    wanted = shutil.ignore_patterns("__pycache__", *(f"*{end}" for end in EXTENSION_SUFFIXES))
    shutil.copytree(SOURCE.parent.parent, folder / "askrd", ignore=wanted)
    source.write_text(code)
    types = SOURCE.with_suffix(".pxd").read_text() + TYPES
    source.with_suffix(".pxd").write_text(types)
    words = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "--quiet", "--force"]
    words += [word for directive in DIRECTIVES for word in ("-X", directive)]
    try:
        done = subprocess.run(
            [*words, str(source.relative_to(folder))],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            timeout=COMPILE_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise NotCompiled(f"compiling took more than {COMPILE_SECONDS} s") from exc
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = "\n".join(lines[-8:])
        raise NotCompiled(
            f"a variant of the router was not compiled (pip install cython): {reason}"
        )


def choose(names: Sequence[str]) -> list[Check]:
    """Returns the checks of these names.

    Raises:
        ValueError: there is no check of such a name.
    """
    known = {check.name: check for check in (*CHECKS, PERMISSION)}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no such check: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names]


def main(words: Sequence[str]) -> None:
    """Runs askrd with a router that lacks the checks named in the first word."""
    import askrd.core.router as real

    names = [] if words[0] == "-" else words[0].split(",")
    vars(real)["Router"] = make_router(choose(names))
    sys.argv[1:] = words[1:]
    from askrd.__main__ import main as run

    run()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("say which checks to leave out (- for none), then the words of askrd")
    main(sys.argv[1:])
