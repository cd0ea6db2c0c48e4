"""Holds which layer wins, and that nothing wrong or unbuilt is taken in silence."""

from pathlib import Path

import pytest

from askr_cli.exits import Usage
from askr_cli.profile import Options, Profile, resolve

URL = "ws://127.0.0.1:1"


def found(
    cwd: Path, options: Options | None = None, environ: dict[str, str] | None = None
) -> Profile:
    return resolve(options or Options(), environ or {}, cwd)


def project(folder: Path, text: str) -> None:
    (folder / ".askr.toml").write_text(text, encoding="utf-8")


def test_without_settings_everything_is_the_default(tmp_path: Path) -> None:
    assert found(tmp_path) == Profile()


def test_the_project_file_is_found_upwards(tmp_path: Path) -> None:
    project(tmp_path, f'url = "{URL}"\nworkspace = "shop"\ntimeout = "2s"')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    profile = found(below)
    assert (profile.url, profile.workspace, profile.timeout_ms) == (URL, "shop", 2_000)
    assert set(profile.origins.values()) == {str(tmp_path / ".askr.toml")}


def test_the_nearest_project_file_wins_whole(tmp_path: Path) -> None:
    project(tmp_path, f'url = "{URL}"\nworkspace = "shop"')
    below = tmp_path / "a"
    below.mkdir()
    project(below, 'workspace = "lab"')
    assert (found(below).url, found(below).workspace) == (None, "lab")


def test_flag_before_environment_before_project_before_user_file(tmp_path: Path) -> None:
    project(tmp_path, 'url = "ws://project:1"\nworkspace = "project"\ntimeout = 3')
    own = tmp_path / "own.toml"
    own.write_text('url = "ws://own:1"\nworkspace = "own"\ntimeout = 4', encoding="utf-8")
    environ = {"ASKR_CONFIG": str(own)}
    assert found(tmp_path, environ=environ).workspace == "project"
    environ |= {"ASKR_URL": "ws://environ:1", "ASKR_WORKSPACE": "environ", "ASKR_TIMEOUT": "2"}
    assert found(tmp_path, environ=environ).workspace == "environ"
    profile = found(
        tmp_path, Options(url="ws://flag:1", workspace="flag", timeout_ms=1_000), environ
    )
    assert (profile.url, profile.workspace, profile.timeout_ms) == ("ws://flag:1", "flag", 1_000)
    (tmp_path / ".askr.toml").unlink()
    assert found(tmp_path, environ={"ASKR_CONFIG": str(own)}).timeout_ms == 4_000


def test_values_come_from_different_layers(tmp_path: Path) -> None:
    project(tmp_path, 'workspace = "shop"')
    profile = found(tmp_path, Options(url=URL), {"ASKR_TIMEOUT": "300ms"})
    assert (profile.url, profile.workspace, profile.timeout_ms) == (URL, "shop", 300)


def test_global_is_the_default_workspace(tmp_path: Path) -> None:
    assert found(tmp_path, Options(workspace="global")).workspace == "askr"


@pytest.mark.parametrize(
    "text",
    [
        'ur1 = "ws://a:1"',
        'context = "prod"',
        "url = 5",
        'url = "gopher://a"',
        'workspace = "No"',
        'timeout = "soon"',
        "timeout = true",
        "not toml",
        "# " + "x" * 70_000,
    ],
)
def test_a_wrong_project_file_is_refused(tmp_path: Path, text: str) -> None:
    project(tmp_path, text)
    with pytest.raises(Usage) as caught:
        found(tmp_path)
    assert ".askr.toml" in caught.value.sentence


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (Options(context="prod"), {}),
        (Options(key_file="k"), {}),
        (Options(), {"ASKR_CONTEXT": "prod"}),
        (Options(), {"ASKR_KEY_FILE": "k"}),
    ],
)
def test_what_is_not_built_is_refused(
    tmp_path: Path, options: Options, environ: dict[str, str]
) -> None:
    with pytest.raises(Usage, match="this version of askr has no"):
        found(tmp_path, options, environ)


def test_the_later_options_win() -> None:
    first = Options(url="a", json=True, timeout_ms=5)
    assert Options(url="b", quiet=True).over(first) == Options(
        url="b", json=True, quiet=True, timeout_ms=5
    )
