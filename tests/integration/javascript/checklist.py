"""The names of the checks that `checks.js` has, and the vectors it is given."""

import json
import re

from tests.integration.agent_process import ROOT
from tests.integration.javascript.runtimes import HERE

CHECKS = re.findall(
    r"^  async (\w+)\(", (HERE / "checks.js").read_text(encoding="utf-8"), re.MULTILINE
)
VECTORS = [
    vector
    for vector in json.loads((ROOT / "tests/vectors/names.json").read_text(encoding="utf-8"))
    if vector["what"] == "match"
]


def check_what_the_survivor_saw(saw: dict[str, object]) -> None:
    """Compares what a client saw that lived through the end of its daemon; see `story.js`."""
    expected = {
        "connection": [False, True, False],
        "gaps": [{"missed": None}],
        "heard": [2],
        "looped": [1, {"missed": None}, 2],
        "watched": [
            ["set", "story/lost", None],
            "synced",
            ["del", "story/lost", None],
            "synced",
            ["set", "story/new", "set"],
        ],
        "control": "connection_lost",
        "emitted": 1,
        "asked": "still here",
        "is_another_epoch": True,
        "has_its_id_again": True,
    }
    wrong = {name: (saw[name], what) for name, what in expected.items() if saw[name] != what}
    assert not wrong, wrong
