"""Every setting: where it may stand, which place wins, and what is said about a bad one."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from askrd.config import (
    KEYS,
    Config,
    ConfigError,
    ListenAddress,
    Loaded,
    default_toml,
    duration_s,
    load,
    toml_value,
)
from askrd.wire.limits import DEFAULT_LIMITS, Limits

REPOSITORY = Path(__file__).parents[3]
RUNTIME = {"XDG_RUNTIME_DIR": "/run/user/7"}


def loaded(
    flags: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    file: Path | None = None,
    system_file: Path = Path("/nonexistent/askrd.toml"),
) -> Loaded:
    return load(flags or {}, RUNTIME | (environ or {}), file, system_file=system_file)


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(*args, **kwargs)
    return refused.value.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "askrd.toml"


def test_the_data_directory_of_systemd_is_the_default() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/askr:/var/lib/more"}
    found = loaded(environ=environ)
    assert found.config.data == "/var/lib/askr"
    assert found.origin["data"] == "environment STATE_DIRECTORY"
    assert loaded({"data": "/srv/askr"}, environ).config.data == "/srv/askr"


def test_an_empty_data_directory_means_memory_also_under_systemd() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/askr", "ASKRD_DATA": ""}
    assert loaded(environ=environ).config.data == ""
    assert loaded().config.data == ""


def test_a_relative_data_directory_is_written_out() -> None:
    assert loaded({"data": "state"}).config.data == str(Path("state").absolute())


def test_without_any_setting_everything_is_default() -> None:
    found = loaded()
    assert found.config.listen == (
        "ws://127.0.0.1:8800",
        "unix:/run/user/7/askr/askrd.sock",
    )
    assert found.listen == (
        ListenAddress("tcp", "127.0.0.1", 8800),
        ListenAddress("unix", path="/run/user/7/askr/askrd.sock", scheme="unix"),
    )
    assert set(found.origin.values()) == {"default"}
    assert set(found.origin) == {key.name for key in KEYS}
    assert found.file is None


def test_default_limits_are_those_of_the_wire() -> None:
    limits = loaded().config.limits
    assert isinstance(limits, Limits)
    names = [field.name for field in msgspec.structs.fields(Limits)]
    assert [getattr(limits, name) for name in names] == [
        getattr(DEFAULT_LIMITS, name) for name in names
    ]
    assert [key.name for key in KEYS if "." in key.name] == [f"limits.{name}" for name in names]


def test_flag_wins_over_environment_over_file_over_default(file: Path) -> None:
    file.write_text(
        'workspace = "f"\nlog_level = "error"\ndrain_s = 1\n[limits]\noutbox_frames_max = 5\n'
    )
    found = loaded(
        {"workspace": "flag", "insecure": None},
        {"ASKRD_WORKSPACE": "e", "ASKRD_LOG_LEVEL": "debug"},
        file,
    )
    config = found.config
    assert (config.workspace, config.log_level, config.drain_s) == ("flag", "debug", 1.0)
    assert (config.limits.outbox_frames_max, config.limits.subscriptions_max) == (5, 1000)
    assert {name: origin for name, origin in found.origin.items() if origin != "default"} == {
        "workspace": "flag",
        "log_level": "environment ASKRD_LOG_LEVEL",
        "drain_s": f"file {file}",
        "limits.outbox_frames_max": f"file {file}",
    }


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_key_can_be_set_by_its_environment_variable(key: Any) -> None:
    default = key.default
    text = ",".join(default) if isinstance(default, tuple) else toml_value(default).strip('"')
    found = loaded(environ={key.variable: text})
    assert found.origin[key.name] == f"environment {key.variable}"
    assert found.config == loaded().config


def test_listen_replaces_all_defaults() -> None:
    assert loaded({"listen": ["tcp://[::1]:0"]}).listen == (
        ListenAddress("tcp", "::1", 0, scheme="tcp"),
    )


def test_listen_from_the_environment_is_parted_by_commas() -> None:
    found = loaded(environ={"ASKRD_LISTEN": "ws://127.0.0.1:1, unix:/a"})
    assert found.config.listen == ("ws://127.0.0.1:1", "unix:/a")


def test_relative_socket_path_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert loaded({"listen": ["unix:a.sock"]}).listen[0].path == str(tmp_path / "a.sock")


def test_address_that_is_given_twice_is_listened_on_once() -> None:
    assert len(loaded({"listen": ["unix:/a", "unix:///a"]}).listen) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[limits]\npayload_bytes_max = "1 MiB"',
            "Expected `int`, got `str` - at `$.limits.payload_bytes_max`",
        ),
        (
            "[limits]\npayload_bytes_max = 8388609",
            "Expected `int` <= 8388608 - at `$.limits.payload_bytes_max`",
        ),
        (
            "[limits]\npayload_byte_max = 1",
            "unknown key `payload_byte_max` in [limits]. Did you mean: limits.payload_bytes_max?",
        ),
        (
            "payload_bytes_max = 1",
            "unknown key `payload_bytes_max`. Did you mean: limits.payload_bytes_max?",
        ),
        ('lisen = ["unix:"]', "unknown key `lisen`. Did you mean: listen?"),
        ("zzz = 1", "unknown key `zzz`. See: askrd config default"),
        ('listen = "unix:/a"', "Expected `array`, got `str` - at `$.listen`"),
        ("listen = []", "Expected `array` of length >= 1 - at `$.listen`"),
        ("insecure = 1", "Expected `bool`, got `int` - at `$.insecure`"),
        ("drain_s = nan", "Expected `float` >= 0.0 - at `$.drain_s`"),
        ("drain_s = " + "9" * 5000, "not TOML: Exceeds the limit (4300 digits)"),
        ("[limits]\ngone_after_ms = 99999999999999999999", "Expected `int` <= 4294967295 - at"),
        ('log_level = "loud"', "Invalid enum value 'loud' - at `$.log_level`"),
        ('socket_mode = "rw"', "Expected `str` matching regex '^0?[0-7]{3}$' - at `$.socket_mode`"),
        ("drain_s = -1", "Expected `float` >= 0.0 - at `$.drain_s`"),
        ("limits = 3", "Expected `object`, got `int` - at `$.limits`"),
        (
            'workspace = "A"',
            "'A' is not a workspace name: 1 to 63 of a-z 0-9 _ -, beginning with a letter or",
        ),
        ('listen = ["wss:h"]', "'wss:h' is not a URL: write one of"),
        ("a = ", "not TOML: Invalid value (at end of document)"),
        ("a = 1\na = 2\n", "not TOML: Cannot overwrite a value (at line 2, column 6)"),
    ],
)
def test_bad_file_is_refused_with_the_exact_place(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    assert refusal(file=file).startswith(f"file {file}: {message}")


def test_what_is_no_origin_is_refused_with_an_example(file: Path) -> None:
    file.write_text('allow_origins = ["a.example"]')
    assert refusal(file=file).endswith("the port where it has one: https://a.example:8443")


def test_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b'workspace = "\xff"')
    assert refusal(file=file).startswith(f"file {file}: not TOML: 'utf-8' codec")


def test_deeply_nested_file_is_refused(file: Path) -> None:
    file.write_text("a = " + "[" * 100_000)
    assert refusal(file=file) == f"file {file}: nested too deeply"


def test_named_file_that_is_missing_is_refused(file: Path, tmp_path: Path) -> None:
    missing = f"file {file}: there is no such file. Write one: askrd config default > {file}"
    assert refusal(file=file) == missing
    assert refusal(environ={"ASKRD_CONFIG": str(file)}) == missing
    assert refusal(file=tmp_path) == f"file {tmp_path}: cannot be read (Is a directory)"


def test_file_without_end_is_refused() -> None:
    assert refusal(file=Path("/dev/zero")) == "file /dev/zero: larger than 1048576 bytes"


def test_file_with_a_byte_order_mark_is_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfdrain_s = 3\r\n")
    assert loaded(file=file).config.drain_s == 3.0


def test_file_is_looked_for_in_the_documented_order(tmp_path: Path) -> None:
    paths = {name: tmp_path / name / "askrd.toml" for name in ("flag", "env", "unit", "system")}
    for path in paths.values():
        path.parent.mkdir()
        path.touch()
    environ = {
        "ASKRD_CONFIG": str(paths["env"]),
        "CONFIGURATION_DIRECTORY": f"{tmp_path}/empty:{paths['unit'].parent}",
    }
    found = []
    system = paths["system"]
    found.append(loaded(environ=environ, file=paths["flag"], system_file=system).file)
    found.append(loaded(environ=environ, system_file=system).file)
    del environ["ASKRD_CONFIG"]
    found.append(loaded(environ=environ, system_file=system).file)
    found.append(loaded(system_file=system).file)
    assert found == list(paths.values())


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "ASKRD_LIMITS_GONE_AFTER_MS",
            "soon",
            (
                "environment ASKRD_LIMITS_GONE_AFTER_MS: Expected `int`, got `str` - at "
                "`$.limits.gone_after_ms`"
            ),
        ),
        (
            "ASKRD_LISTNE",
            "unix:",
            "environment ASKRD_LISTNE: there is no such setting. Did you mean: ASKRD_LISTEN?",
        ),
        (
            "ASKRD_CONFIGG",
            "x",
            "environment ASKRD_CONFIGG: there is no such setting. Did you mean: ASKRD_CONFIG?",
        ),
        (
            "ASKRD_QQQQQQQ",
            "x",
            "environment ASKRD_QQQQQQQ: there is no such setting. See: askrd config default",
        ),
        (
            "ASKRD_LISTEN",
            "ws://",
            "environment ASKRD_LISTEN: 'ws://' names no host: 127.0.0.1 is this machine only",
        ),
        (
            "ASKRD_LISTEN",
            "",
            "environment ASKRD_LISTEN: Expected `array` of length >= 1 - at `$.listen`",
        ),
        ("ASKRD_INSECURE", "\udcff", "environment ASKRD_INSECURE: holds bytes that are not UTF-8"),
        (
            "ASKRD_DRAIN_S",
            "x",
            "environment ASKRD_DRAIN_S: 'x' is not a duration: write 300ms, 5s, 2m or 1h",
        ),
    ],
)
def test_bad_environment_is_refused_by_the_variables_name(
    variable: str, text: str, message: str
) -> None:
    assert refusal(environ={variable: text}) == message


def test_variables_that_kubernetes_sets_are_passed_over() -> None:
    environ = {"ASKRD_SERVICE_HOST": "10.0.0.1", "ASKRD_PORT_8800_TCP": "tcp://10.0.0.1:8800"}
    assert loaded(environ=environ).config == loaded().config


def test_bad_flag_is_refused_by_its_name() -> None:
    assert refusal({"log_format": "xml"}) == (
        "flag --log-format: Invalid enum value 'xml' - at `$.log_format`. "
        "Form of the log on stderr: auto, text or json; auto is text, with priorities under "
        "systemd."
    )
    assert refusal({"drain_s": "soon"}).startswith("flag --drain: 'soon' is not a duration")
    assert refusal({"listen": ["nope"]}).startswith("flag --listen: 'nope' is not a URL")


def test_heartbeat_limits_must_rise(file: Path) -> None:
    file.write_text("[limits]\nheartbeat_after_ms = 30000\n")
    assert "must rise in this order; they are 30000, 20000 and 60000" in refusal(file=file)
    file.write_text("[limits]\ngone_after_ms = 20000\n")
    assert "must rise" in refusal(file=file)


def test_outbox_must_hold_one_payload() -> None:
    environ = {"ASKRD_LIMITS_OUTBOX_BYTES_MAX": "1048575"}
    assert "no outbox holds one reply" in refusal(environ=environ)
    assert loaded(environ={"ASKRD_LIMITS_OUTBOX_BYTES_MAX": "1048576"})


def test_address_beyond_this_machine_is_refused_with_the_command_that_allows_it() -> None:
    message = refusal({"listen": ["ws://0.0.0.0:8800", "unix:/a"]})
    assert message.startswith("will not listen on ws://0.0.0.0:8800: nobody has to authenticate")
    assert message.endswith("askrd serve --listen ws://0.0.0.0:8800 --listen unix:/a --insecure")


def test_address_beyond_this_machine_is_accepted_when_insecure(file: Path) -> None:
    file.write_text('insecure = true\nlisten = ["ws://0.0.0.0:8800"]')
    assert loaded(file=file).listen[0].is_local is False


def test_default_file_is_valid_and_changes_nothing(file: Path) -> None:
    file.write_text(default_toml())
    found = loaded(file=file)
    assert found.config == loaded().config
    assert set(found.origin.values()) == {"default"}


def test_default_file_with_every_comment_removed_is_the_default(file: Path) -> None:
    file.write_text(re.sub(r"(?m)^#(?=\w)", "", default_toml()))
    found = loaded(file=file)
    assert found.config == loaded().config
    assert set(found.origin.values()) == {f"file {file}"}


def test_shipped_file_is_the_default_file() -> None:
    assert (REPOSITORY / "systemd/askrd.toml").read_text() == default_toml()


def test_operating_manual_lists_every_key_with_its_default() -> None:
    manual = (REPOSITORY / "docs/OPERATING.md").read_text()
    missing = [
        key.name for key in KEYS if f"| `{key.name}` | `{toml_value(key.default)}` |" not in manual
    ]
    assert missing == []


def test_every_key_has_a_sentence_and_a_unit_that_fits_its_name() -> None:
    for key in KEYS:
        assert re.fullmatch(r"[A-Z][^\n]*\.", key.sentence), key.name
        if key.name.endswith("_ms"):
            assert key.unit == "ms"
        if "bytes" in key.name:
            assert key.unit == "bytes"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", 0.3),
        ("5s", 5.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("7", 7.0),
        (" 1.5s ", 1.5),
        ("0", 0.0),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1 s", "inf", "nan", "1e3", "٣s"])
def test_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a duration: write 300ms"):
        duration_s(text)


@pytest.mark.parametrize(
    "value", [True, 0, 20.0, 0.3, 'a"b\\', "tab\t", ("a", "b"), [], "ü"], ids=repr
)
def test_toml_value_is_read_back_as_it_was(value: object) -> None:
    found = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert found == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(("text", "bits"), [("0600", 0o600), ("666", 0o666), ("0000", 0)])
def test_socket_mode_is_octal(text: str, bits: int) -> None:
    assert Config(socket_mode=text).socket_mode_bits == bits
