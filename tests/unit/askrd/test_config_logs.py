"""Logs in the configuration file: one table each, and what is said about a bad one."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from askrd.config import tables_toml
from askrd.wire.logs import LogDefinition
from tests.unit.askrd.test_config import loaded, refusal

LOG = '[[logs]]\nname = "orders"\npatterns = ["orders.**"]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "askrd.toml"


def test_logs_stand_in_the_file_one_table_each(file: Path) -> None:
    file.write_text(f"{LOG}count = 5\n{LOG.replace('orders', 'bills')}")
    found = loaded(file=file)
    assert found.config.logs == (
        LogDefinition(name="orders", patterns=["orders.**"], count=5),
        LogDefinition(name="bills", patterns=["bills.**"]),
    )
    assert found.origin["logs"] == f"file {file}"
    assert found.tables["logs"] == [msgspec.to_builtins(log) for log in found.config.logs]
    assert tomllib.loads("\n".join(tables_toml(found.config))) == found.tables
    assert loaded().tables == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOG + "cuont = 5", "unknown key `cuont` in [logs[0]]. Did you mean: count?"),
        (LOG + "count = 0", "count of a log is 1 to 1000000, not 0 - at `$.logs[0]`"),
        (LOG.replace("orders.**", "a..b"), "empty segment"),
        (LOG.replace('"orders"', '"a b"'), "no log name"),
        (LOG + LOG, "there are two logs 'orders'"),
        ('[[logs]]\nname = "a"', "missing required field `patterns` - at `$.logs[0]`"),
        ("logs = 5", "Expected `array`"),
        (
            "".join(
                f"{LOG.replace('orders', f'log{number}')}bytes = 268435456\n" for number in range(5)
            ),
            "1073741824 bytes together",
        ),
    ],
)
def test_a_wrong_log_is_refused_with_its_place(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    message = refusal(file=file)
    assert message.startswith(f"file {file}: ")
    assert said in message
