"""Throws any lines and bodies at the text codec: values or documented errors come back."""

import json
import math
from typing import Any

from hypothesis import example, given, strategies as st

from askrd.wire import strict_json
from askrd.wire.bodies import Hello, Provision, load
from askrd.wire.codec import decode
from askrd.wire.errors import BadRequest, Unauthenticated, UnknownKind, VersionUnsupported
from askrd.wire.frames import Frame, Kind
from askrd.wire.handshake import read_hello
from askrd.wire.limits import ID_MAX, JSON_DEPTH_MAX, TTL_MS_MAX
from askrd.wire.ranges import parse_range
from askrd.wire.text import decode_text, encode_text
from askrd.wire.vocabulary import SPOKEN_BY_PEERS
from tests.fuzz.throwing import frames, fuzzed, outcome, plain_json

tokens = st.sampled_from(
    [*"{}[],:", *" \t\n\r", '"a"', '"\\u0061"', '"b"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\x"',
     '"', "\\", "0", "-0", "1.5", "01", "1.", "1e5", "1e999", "1" * 4400, "NaN", "-Infinity",
     "null", "true", "nul", "\x00", "\x7f", "ü", "{}", "[]", '{"a":1,"a":2}']
)  # fmt: skip
json_like = st.one_of(
    st.binary(max_size=60),
    st.lists(tokens, max_size=25).map(lambda found: "".join(found).encode()),
    st.builds(lambda value: json.dumps(value).encode(), plain_json),
    st.builds(lambda value: json.dumps(value, ensure_ascii=False).encode(), plain_json),
    st.builds(
        lambda value, at, put: (
            json.dumps(value)[:at].encode() + put + json.dumps(value)[at:].encode()
        ),
        plain_json,
        st.integers(0, 60),
        st.binary(max_size=3),
    ),
    st.builds(
        lambda opened, depth, inner: (
            "".join(opened[n % len(opened)] for n in range(depth))
            + inner
            + "".join(
                "}" if opened[n % len(opened)] == '{"a":' else "]" for n in reversed(range(depth))
            )
        ).encode(),
        st.lists(st.sampled_from(["[", '{"a":', "[1,"]), min_size=1, max_size=3),
        st.integers(55, 75),
        st.sampled_from(["1", "[]", "{}", '"[[["', '"\\"]"']),
    ),
)
envelopes = st.builds(
    lambda kind, members: json.dumps({"k": kind} | members).encode(),
    st.sampled_from([kind.name.lower() for kind in Kind] + ["shout", ""]),
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "to",
                "event",
                "pattern",
                "key",
                "prefix",
                "d",
                "b",
                "c",
                "ttl",
                "hops",
                "headers",
                "if_rev",
                "v",
                "name",
                "service",
                "code",
                "items",
                "bytes",
                "up",
                "more",
                "silent",
                "reply",
                "upload",
                "all",
                "first",
                "quorum",
                "exclude",
                "idempotency_key",
                "version",
                "wait",
                "group",
            ]
        ),
        st.one_of(
            plain_json,
            st.sampled_from(
                [True, False, 0, 1, -1, 2**53, 2**64, "a.b", "AA==", "^2", {"x": "y"}, [1], ["a"]]
            ),
        ),
    ),
)


def is_strict(text: bytes) -> bool:
    """The rule in the slow and obvious way."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_float=finite
        )
    except (ValueError, RecursionError):
        return False
    return is_fit(value, 0)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def finite(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ValueError(f"{digits} is out of range")
    return float(digits)


def is_fit(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, list):
        inner = value
    else:
        return True
    return depth < JSON_DEPTH_MAX and all(is_fit(one, depth + 1) for one in inner)


@fuzzed
@given(json_like)
@example(b'"\\ud800"')
@example(b"[" * 64 + b"]" * 64)
@example(b"[" * 65 + b"]" * 65)
@example(b"[" * 100_000)
@example(b"\xef\xbb\xbf1")
@example(b"1\x00")
@example(b"\xff\xfe1\x00")
def test_json_is_strict_exactly_when_the_model_says_so(text: bytes) -> None:
    refused = outcome(strict_json.check, text, BadRequest)
    assert (refused is None) == is_strict(text)


@fuzzed
@given(st.one_of(json_like, envelopes))
def test_any_line_is_a_frame_or_a_documented_error(line: bytes) -> None:
    read = outcome(decode_text, line, BadRequest, UnknownKind)
    if isinstance(read, bytes):
        frame = decode(read)
        assert Kind(frame.kind) in SPOKEN_BY_PEERS
        assert frame.stamp == b""
        if not {*b"\r\n"} & {*frame.payload}:
            assert decode_text(encode_text(frame)) == read


@fuzzed
@given(frames, st.sampled_from(Kind), st.one_of(st.none(), plain_json))
def test_every_frame_of_a_known_kind_has_one_line_of_json(
    frame: Frame, kind: Kind, body: Any
) -> None:
    payload = frame.payload if body is None else json.dumps(body).encode()
    fields = {name: getattr(frame, name) for name in Frame.__struct_fields__}
    line = encode_text(Frame(**(fields | {"kind": kind, "payload": payload})), sub=3)
    assert b"\n" not in line
    said = json.loads(line, object_pairs_hook=unique)
    assert said["k"] == kind.name.lower()
    if frame.id and kind not in {Kind.EVENT, Kind.CHANGE}:
        assert said["id"] == frame.id


@fuzzed
@given(
    st.sampled_from(["call", "progress", "reply", "item", "emit", "put"]),
    st.integers(1, ID_MAX),
    plain_json,
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_json_survives_both_translations(
    kind: str, id_: int, value: Any, headers: dict[str, str]
) -> None:
    field = {"call": "to", "emit": "event", "put": "key"}
    members = {"k": kind, "id": id_, "d": value}
    members |= {field[kind]: "a"} if kind in field else {}
    members |= {"headers": headers} if headers else {}
    frame = decode(decode_text(json.dumps(members).encode()))
    assert frame.payload == json.dumps(value).encode()
    assert json.loads(encode_text(frame)) == members


@fuzzed
@given(st.binary(), st.sampled_from(["call", "progress", "reply", "item"]))
def test_bytes_survive_both_translations(data: bytes, kind: str) -> None:
    frame = Frame(
        kind=Kind[kind.upper()], id=1, name=b"a" * (kind == "call"), payload=data, coding=2
    )
    assert decode(decode_text(encode_text(frame))) == frame


calls = st.fixed_dictionaries(
    {"k": st.just("call"), "id": st.integers(1, ID_MAX), "to": st.just("a.b")},
    optional={
        "reply": st.text(min_size=1, max_size=9),
        "upload": st.sampled_from(["items", "payload"]),
        "all": st.just(True),
        "first": st.just(True),
        "quorum": st.integers(1, 2**63),
        "exclude": st.lists(st.text(max_size=5), min_size=1, max_size=3),
        "key": st.text(min_size=1, max_size=9),
        "idempotency_key": st.text(min_size=1, max_size=9),
        "version": st.text(min_size=1, max_size=9),
        "wait": st.integers(1, TTL_MS_MAX),
        "silent": st.just(True),
    },
)


@fuzzed
@given(calls)
def test_what_a_call_asks_for_survives_both_translations(call: dict[str, Any]) -> None:
    read = decode(decode_text(json.dumps(call).encode()))
    assert json.loads(encode_text(read)) == call


version_like = st.one_of(
    st.text(max_size=70),
    st.text("0123456789.^~-+xrc*", max_size=20),
    st.from_regex(r"[\^~]?[0-9]{1,4}(\.[0-9]{1,4}){0,3}(-[a-z0-9.]{1,9})?", fullmatch=True),
)


@fuzzed
@given(version_like, version_like)
@example("^2", "2." + "9" * 5000 + ".0")
@example("2.1.0-" + "9" * 50, "2.1.0-" + "9" * 180)
def test_any_text_is_a_range_that_takes_its_own_text_or_a_bad_request(
    text: str, version: str
) -> None:
    wanted = outcome(parse_range, text, BadRequest)
    if not isinstance(wanted, BadRequest):
        assert wanted.fits(text)
        assert wanted.fits(version) in {True, False}


numbers = st.tuples(*[st.integers(0, 3)] * 3)


@fuzzed
@given(st.sampled_from(["", "^", "~"]), numbers, st.integers(1, 3), numbers)
def test_a_range_is_what_its_rule_says(
    sign: str, floor: tuple[int, ...], given_: int, version: tuple[int, ...]
) -> None:
    first = floor[:given_]
    keep = {"": given_, "~": min(2, given_)}.get(sign)
    if keep is None:
        keep = next((at + 1 for at, number in enumerate(first) if number), given_)
    fits = version[:keep] == first[:keep] and version >= (*first, 0, 0)[:3]
    wanted = parse_range(sign + ".".join(map(str, first)))
    assert wanted.fits(".".join(map(str, version))) == fits


@fuzzed
@given(json_like)
def test_any_hello_is_understood_or_refused(payload: bytes) -> None:
    outcome(read_hello, payload, BadRequest, VersionUnsupported, Unauthenticated)


@fuzzed
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "v",
                "name",
                "kind",
                "workspace",
                "method",
                "instance",
                "resume",
                "roster",
                "software",
                "streams",
                "resumable",
                "received",
                "link",
            ]
        ),
        st.one_of(plain_json, st.sampled_from([1, [1], 2, [], "none", "service", "global", True])),
    )
)
def test_any_object_as_hello_is_understood_or_refused(hello: dict[str, Any]) -> None:
    payload = json.dumps(hello).encode()
    outcome(read_hello, payload, BadRequest, VersionUnsupported, Unauthenticated)


@fuzzed
@given(json_like, st.sampled_from([Hello, Provision]))
def test_any_body_is_read_or_a_bad_request(payload: bytes, kind: type) -> None:
    outcome(lambda data: load(kind, data, "body"), payload, BadRequest)
