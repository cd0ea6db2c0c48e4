"""The load generator speaks the same wire as the daemon, and refuses what it cannot measure."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import bench.generator as module
from askrd.wire.frames import MAGIC, Kind
from bench.generator import FOLDER, PROTOCOLS, Unavailable, get_floor, get_generator


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A C compiler that can build something, and an empty cache."""
    found = next(filter(shutil.which, module.COMPILERS), None)
    source = tmp_path / "probe.c"
    source.write_text('#include <stdio.h>\nint main(void) { return puts("") < 0; }\n')
    words = [found or "false", "-o", str(tmp_path / "probe"), str(source)]
    if found is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("there is no working C compiler here")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    return found


def test_kinds_of_the_c_program_are_those_of_the_wire() -> None:
    text = (FOLDER / "frames.h").read_text()
    written = {name: int(number, 16) for name, number in re.findall(r"KIND_(\w+) = (0x\w+)", text)}
    assert written
    assert written == {name: Kind[name].value for name in written}


def test_magic_of_the_c_program_is_that_of_the_wire() -> None:
    text = (FOLDER / "frames.h").read_text()
    found = re.search(r'#define MAGIC "(.*)"', text)
    assert found is not None
    assert found[1].encode().decode("unicode_escape").encode() == MAGIC


@pytest.mark.usefixtures("compiler")
def test_c_program_is_built_once_and_found_again() -> None:
    first = get_generator()
    assert first.language == "C"
    built = Path(first.words[0]).stat().st_mtime_ns
    assert get_generator() == first
    assert Path(first.words[0]).stat().st_mtime_ns == built


def test_compiler_that_fails_leaves_the_python_generator_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", "false")
    monkeypatch.setattr(module, "CACHE", tmp_path)
    generator = get_generator()
    assert generator.language == "Python"
    assert "false refused loadgen.c" in generator.note


@pytest.mark.usefixtures("compiler")
def test_floor_is_built_beside_the_generator_and_both_are_found_again() -> None:
    generator, floor = get_generator(), get_floor()
    assert floor.exists()
    assert get_floor() == floor
    assert get_generator() == generator


def test_without_a_compiler_the_floor_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "CACHE", tmp_path)
    with pytest.raises(Unavailable, match="there is no C compiler"):
        get_floor()


@pytest.mark.parametrize("protocol", PROTOCOLS[1:])
def test_python_generator_says_why_it_cannot_speak_another_protocol(protocol: str) -> None:
    generator = get_generator(python_only=True)
    assert "only the C generator speaks" in generator.why_not(protocol)
    sample = generator.run("tcp://127.0.0.1:1", ["call"], protocol=protocol)
    assert sample == {"ok": False, "error": generator.why_not(protocol)}


def test_unknown_protocol_is_refused_with_the_known_ones() -> None:
    assert "askr-ws, nats" in get_generator(python_only=True).why_not("gopher")


@pytest.mark.usefixtures("compiler")
def test_c_program_refuses_a_protocol_it_does_not_speak() -> None:
    words = [*get_generator().words, "--protocol", "gopher", "--url", "tcp://127.0.0.1:1", "call"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--protocol is one of " + ", ".join(PROTOCOLS) in done.stdout


@pytest.mark.usefixtures("compiler")
def test_c_generator_that_cannot_connect_says_so(tmp_path: Path) -> None:
    _assert_refused(get_generator(), tmp_path)


def test_python_generator_that_cannot_connect_says_so(tmp_path: Path) -> None:
    _assert_refused(get_generator(python_only=True), tmp_path)


def _assert_refused(generator: module.Generator, tmp_path: Path) -> None:
    sample = generator.run(f"unix:{tmp_path / 'nobody.sock'}", ["call", "--ms", "50"])
    assert sample["ok"] is False
    assert "cannot connect" in str(sample["error"])
