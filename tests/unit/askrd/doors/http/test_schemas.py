"""Schemas of services in one document."""

from askrd.doors.http.schemas import Schemas

ROOT = "#/components/schemas/"


def test_definitions_move_with_what_refers_to_them() -> None:
    schemas = Schemas()
    schema = {
        "properties": {"a": {"$ref": "#/$defs/List%5Bint%5D"}, "$defs": {"type": "string"}},
        "$defs": {"List[int]": {"items": {"$ref": "#/$defs/x~1y"}}, "x/y": {"$ref": "#"}},
    }
    assert schemas.place("one", schema) == {"$ref": f"{ROOT}one"}
    assert schemas.placed == {
        "one": {
            "properties": {"a": {"$ref": f"{ROOT}one.List-5b-int-5d-"}, "$defs": {"type": "string"}}
        },
        "one.List-5b-int-5d-": {"items": {"$ref": f"{ROOT}one.x-2f-y"}},
        "one.x-2f-y": {"$ref": f"{ROOT}one"},
    }


def test_two_services_may_call_different_things_the_same() -> None:
    schemas = Schemas()
    for name in ("a", "b"):
        schemas.place(name, {"$ref": "#/$defs/X", "$defs": {"X": {"const": name}}})
    assert schemas.placed["a.X"] == {"const": "a"}
    assert schemas.placed["b.X"] == {"const": "b"}


def test_what_is_no_schema_allows_everything() -> None:
    schemas = Schemas()
    schemas.place("one", ["nonsense"])
    assert schemas.placed == {"one": {}}


def test_a_schema_without_end_is_cut() -> None:
    deep: dict[str, object] = {}
    for _ in range(400):
        deep = {"not": deep}
    schemas = Schemas()
    schemas.place("deep", deep)
    assert "True" in repr(schemas.placed["deep"])
