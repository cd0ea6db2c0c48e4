"""`askr describe`: what a service, a command or an event is, with an example to try."""

import itertools
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
import typer

from askr_cli.commands.command_facts import command_facts
from askr_cli.commands.frames import show_call
from askr_cli.commands.registry import names_of
from askr_cli.durations import duration_text
from askr_cli.payload import is_item_name
from askr_cli.render import json_text
from askr_cli.safe_text import escaped
from askr_cli.schema import Schema, parameters, resolved, type_of
from askr_cli.schema_examples import example
from askr_cli.terminal import Terminal

Thing = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="a service, a command or an event", show_default=False),
]
Json = Any
Row = tuple[str, str, str, str]
"""Name, type, default and description of one member, made safe."""
ROWS_MAX = 200
LEVELS_MAX = 6


def describe(terminal: Terminal, target: Thing) -> int:
    """Explains a service, a command or an event."""
    payload = msgspec.Raw(msgspec.json.encode({"target": target}))
    if terminal.dry_run:
        return show_call(terminal, "$askr.describe", payload)
    told = terminal.client().send("$askr.describe", payload, timeout=terminal.timeout_s)
    if terminal.json:
        terminal.print_json(told)
    else:
        terminal.write("\n".join(description(told)))
    return 0


def description(told: Mapping[str, Json]) -> list[str]:
    """Returns the lines that explain what the daemon told, for people."""
    lines = [escaped(str(told.get("target", "")))]
    if told.get("doc"):
        lines += [f"  {escaped(line)}".rstrip() for line in str(told["doc"]).strip().splitlines()]
    lines += _facts(told)
    if told.get("commands"):
        lines += ["", "commands", *_members(told["commands"], "name")]
    for title in ("emits", "listens"):
        if told.get(title):
            lines += ["", title, *_members(told[title], "event")]
    if "commands" not in told:
        lines += _arguments(told)
        lines += _answer(told)
        lines += _try(told)
    lines += _guarantees(told.get("guarantees"))
    return lines


def _facts(told: Mapping[str, Json]) -> list[str]:
    facts = []
    if told.get("version"):
        facts.append(("version", str(told["version"])))
    if isinstance(told.get("tags"), Mapping) and told["tags"]:
        facts.append(("tags", " ".join(f"{k}={v}" for k, v in told["tags"].items())))
    if isinstance(told.get("timeout_ms"), int) and told["timeout_ms"]:
        facts.append(("timeout", duration_text(told["timeout_ms"])))
    facts += command_facts(told)
    instances = names_of(told.get("instances"), "instance")
    if instances:
        facts.append(("instances", " ".join(instances)))
    return ["", *(f"{name.ljust(10)} {escaped(text)}" for name, text in facts)] if facts else []


def _members(members: Json, field: str) -> list[str]:
    rows = []
    for member in members if isinstance(members, list) else []:
        is_object = isinstance(member, Mapping)
        name = str(member.get(field, "") if is_object else member)
        doc = str(member.get("doc") or "").strip() if is_object else ""
        rows.append((escaped(name), escaped(doc.splitlines()[0]) if doc else ""))
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name.ljust(width)}  {doc}".rstrip() for name, doc in rows]


def _arguments(told: Mapping[str, Json]) -> list[str]:
    schema = told.get("request")
    if not isinstance(schema, Mapping):
        return []
    found = rows_of(schema)
    if not found:
        empty = resolved(schema, schema).get("type") == "object"
        return [] if empty else ["", f"payload    {escaped(type_of(schema))}"]
    return ["", "payload" if "event" in told else "arguments", *_aligned(found)]


def _answer(told: Mapping[str, Json]) -> list[str]:
    schema = told.get("response")
    if not isinstance(schema, Mapping):
        return []
    return ["", f"answers    {escaped(type_of(schema))}", *_aligned(rows_of(schema))]


def rows_of(schema: Mapping[str, Json]) -> list[Row]:
    """Returns a row for each member of an object schema, those of nested objects below theirs.

    At most 200 rows, six levels deep; a schema that contains itself is shown once.
    """
    return list(itertools.islice(_rows(schema, schema, ()), ROWS_MAX))


def _rows(schema: Json, root: Schema, above: tuple[Json, ...]) -> Iterator[Row]:
    holder = _object_in(schema, root)
    if len(above) >= LEVELS_MAX or any(holder is one for one in above):
        return
    members = holder.get("properties")
    for one in parameters(holder, root):
        note = "" if one.required else "optional" if one.default is None else f"= {one.default}"
        member = members[one.name] if isinstance(members, Mapping) else {}
        about = str(member.get("description") or resolved(member, root).get("description") or "")
        name, first_line = "  " * len(above) + one.name, about.strip().partition("\n")[0]
        yield (escaped(name), escaped(one.type), escaped(note), escaped(first_line))
        yield from _rows(member, root, (*above, holder))


def _object_in(schema: Json, root: Schema) -> Schema:
    """Returns the object whose members are worth showing: itself, or that of items or a choice."""
    for _ in range(LEVELS_MAX):
        found: Schema = resolved(schema, root) if isinstance(schema, Mapping) else {}
        choices = found.get("anyOf", found.get("oneOf"))
        if isinstance(choices, list):
            meant = [resolved(one, root) for one in choices if isinstance(one, Mapping)]
            schema = next((one for one in meant if {"properties", "items"} & set(one)), {})
        elif "items" in found:
            schema = found["items"]
        else:
            return found
    return {}


def _aligned(rows: list[Row]) -> list[str]:
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row[:3], widths, strict=True)) + f"  {row[3]}"
        for row in rows
    ]
    return [line.rstrip() for line in lines]


def _try(told: Mapping[str, Json]) -> list[str]:
    """A line that can be typed as it is."""
    target = escaped(str(told.get("target", "")))
    if "event" in told:
        return ["", "try", f"  askr listen {target}"]
    schema = told.get("request")
    words = words_for(schema) if isinstance(schema, Mapping) else []
    return ["", "try", escaped(" ".join(["  askr send", target, *words]))]


def words_for(schema: Mapping[str, Json]) -> list[str]:
    """Returns a payload that ``schema`` accepts, as words that a shell takes as they are."""
    value = example(schema, schema)
    if value is None:
        return []
    if not isinstance(value, dict) or not all(is_item_name(name) for name in value):
        return [shlex.quote(json_text(value))]
    return [_item(name, one) for name, one in value.items()]


def _item(name: str, value: Json) -> str:
    if isinstance(value, str) and not value.startswith("@"):
        return f"{shlex.quote(name)}={shlex.quote(value)}"
    return f"{shlex.quote(name)}:={shlex.quote(json_text(value))}"


def _guarantees(guarantees: Json) -> list[str]:
    if isinstance(guarantees, Mapping):
        rows = [f"  {str(k).replace('_', ' ')}: {v}" for k, v in guarantees.items()]
    elif isinstance(guarantees, list):
        rows = [f"  {row}" for row in guarantees]
    else:
        rows = [f"  {guarantees}"] if guarantees else []
    return ["", "guarantees", *map(escaped, rows)] if rows else []
