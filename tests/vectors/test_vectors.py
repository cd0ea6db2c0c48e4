"""Runs the vectors of tests/vectors: what the protocol's page promises, in data."""

import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from askrd.wire import names, strict_json
from askrd.wire.codec import Assembly, Malformed, Oversize, decode, encode, split
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_KEPT,
    FLAG_MORE,
    FLAG_OPTIONS,
    FLAG_SEALED,
    FLAG_SILENT,
    FLAG_UP,
    STAMP_TIME,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.handshake import read_hello
from askrd.wire.limits import DEFAULT_LIMITS
from askrd.wire.ranges import parse_range
from askrd.wire.text import decode_text, encode_text
from askrd.wire.vocabulary import SPOKEN_BY_PEERS

ROOT = Path(__file__).parents[2]
FLAGS = {
    "HEAD": FLAG_HEAD,
    "OPTIONS": FLAG_OPTIONS,
    "UP": FLAG_UP,
    "MORE": FLAG_MORE,
    "SEALED": FLAG_SEALED,
    "SILENT": FLAG_SILENT,
    "KEPT": FLAG_KEPT,
}
CODINGS = {"none": Coding.NONE, "json": Coding.JSON, "bytes": Coding.BYTES}
Vector = dict[str, Any]


def load(name: str) -> list[Vector]:
    return json.loads((ROOT / "tests" / "vectors" / name).read_text(encoding="utf-8"))


FRAMES = load("frames.json")
FRAMES_ILLEGAL = load("frames_illegal.json")
TEXT = load("text.json")
TEXT_ILLEGAL = load("text_illegal.json")
NAMES = load("names.json")
RANGES = load("ranges.json")
HANDSHAKE = load("handshake.json")
CONVERSATIONS = load("conversations.json")
ALL_FRAMES = [bytes.fromhex(vector["hex"]) for vector in FRAMES]


def each(vectors: list[Vector], **wanted: Any) -> pytest.MarkDecorator:
    """One test per vector whose members are as wanted."""
    chosen = [v for v in vectors if all(v[name] in value for name, value in wanted.items())]
    assert chosen, "no vector was chosen"
    return pytest.mark.parametrize(
        "vector",
        chosen,
        ids=[v.get("title") or f"{v.get('what', 'range')} {v['text']!a}"[:60] for v in chosen],
    )


def frame_of(fields: Vector) -> Frame:
    payload = fields["payload"].encode() if "payload" in fields else None
    time = b"" if fields["micros"] is None else STAMP_TIME.pack(fields["micros"])
    return Frame(
        kind=fields["number"],
        id=fields["id"],
        name=fields["name"].encode(),
        payload=bytes.fromhex(fields["payload_hex"]) if payload is None else payload,
        coding=CODINGS[fields["coding"]],
        flags=sum(FLAGS[name] for name in fields["flags"]),
        ttl_ms=fields["ttl_ms"],
        hops=fields["hops"],
        head=fields["head"].encode(),
        options=fields["options"].encode(),
        stamp=time + fields["stamp"].encode(),
    )


def fed(chunks: list[bytes], frame_bytes_max: int = DEFAULT_LIMITS.frame_bytes_max) -> list[Any]:
    """What an assembly gives for these chunks, one after the other, refusals as their type."""
    assembly = Assembly(frame_bytes_max)
    found = [item for chunk in chunks for item in split(assembly, chunk)]
    return [item if isinstance(item, bytes) else type(item) for item in found]


def cut(data: bytes, random: Random) -> list[bytes]:
    """The same bytes in chunks of random length."""
    ends = sorted({random.randrange(1, len(data)) for _ in range(random.randrange(1, 200))})
    starts = [0, *ends]
    return [data[a:b] for a, b in zip(starts, [*ends, len(data)], strict=True)]


def test_every_vector_says_why_and_where() -> None:
    sections = {
        line.split()[1]
        for line in (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("##")
    }
    bytes_and_lines = FRAMES + FRAMES_ILLEGAL + TEXT + TEXT_ILLEGAL
    for vector in bytes_and_lines + NAMES + RANGES + HANDSHAKE + CONVERSATIONS:
        assert vector["why"].endswith("."), vector
        assert vector["section"] in sections, vector


@pytest.mark.parametrize(
    "vectors", [FRAMES, FRAMES_ILLEGAL, TEXT, TEXT_ILLEGAL, HANDSHAKE, CONVERSATIONS]
)
def test_titles_are_unique(vectors: list[Vector]) -> None:
    titles = [vector["title"] for vector in vectors]
    assert sorted(set(titles)) == sorted(titles)


# --- binary frames -------------------------------------------------------------------------------


@each(FRAMES)
def test_frame_is_read(vector: Vector) -> None:
    assert Kind(vector["fields"]["number"]).name.lower() == vector["fields"]["kind"]
    assert decode(bytes.fromhex(vector["hex"])) == frame_of(vector["fields"])


@each(FRAMES)
def test_frame_is_written(vector: Vector) -> None:
    assert encode(frame_of(vector["fields"])).hex() == vector["hex"]


@each(FRAMES)
def test_frame_is_cut_out_whole_and_byte_by_byte_and_before_more(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    assert fed([data]) == [data]
    assert fed([data[i : i + 1] for i in range(len(data))]) == [data]
    for trailing in range(1, len(data)):
        assembly = Assembly(DEFAULT_LIMITS.frame_bytes_max)
        assert split(assembly, data + data[:trailing]) == [data]
        assert assembly.held_bytes == trailing
        assert split(assembly, data[trailing:]) == [data]
        assert assembly.is_empty


def test_all_frames_glued_together_are_cut_apart_again() -> None:
    assert fed([b"".join(ALL_FRAMES)]) == ALL_FRAMES


@pytest.mark.parametrize("seed", range(50))
def test_where_a_stream_is_cut_makes_no_difference(seed: int) -> None:
    random = Random(seed)
    order = random.sample(ALL_FRAMES, len(ALL_FRAMES))
    assert fed(cut(b"".join(order), random)) == order


def test_every_kind_of_the_page_has_a_vector() -> None:
    shown = {vector["fields"]["number"] for vector in FRAMES}
    later = {Kind.CHALLENGE, Kind.PROOF}
    assert shown == set(Kind) - later


# --- illegal binary frames -----------------------------------------------------------------------


@each(FRAMES_ILLEGAL, by=["wire"])
def test_illegal_frame_is_refused_as_documented(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    first, *_ = split(Assembly(DEFAULT_LIMITS.frame_bytes_max), data)
    if isinstance(first, bytes):
        with pytest.raises(BadRequest) as caught:
            decode(first)
        assert (caught.value.code, "stays") == (vector["code"], vector["connection"])
        return
    closes = isinstance(first, Malformed) or first.fatal
    assert (first.code, closes) == (vector["code"], vector["connection"] == "closes")
    if vector["id"] is not None:
        assert isinstance(first, Oversize)
        assert first.id == vector["id"]


@each(FRAMES_ILLEGAL, by=["wire"])
def test_illegal_frame_is_refused_alike_byte_by_byte(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    whole = fed([data])
    drops = fed([data[i : i + 1] for i in range(len(data))])
    assert drops[:1] == whole[:1]


@each(FRAMES_ILLEGAL, by=["wire"], connection=["stays"])
def test_the_frame_after_an_illegal_one_is_read(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    assembly = Assembly(DEFAULT_LIMITS.frame_bytes_max)
    assert len(split(assembly, data)) == 1
    left = vector.get("bytes_to_follow", 0)
    while left:
        step = min(left, 1 << 20)
        assert split(assembly, bytes(step)) == []
        assert assembly.held_bytes == 0
        left -= step
    assert split(assembly, ALL_FRAMES[0]) == [ALL_FRAMES[0]]


@each(FRAMES_ILLEGAL, by=["session"])
def test_frame_that_is_not_a_peers_to_send_is_well_formed(vector: Vector) -> None:
    data = bytes.fromhex(vector["hex"])
    assert fed([data]) == [data]
    assert decode(data).id == vector["id"]
    if vector["code"] == "unknown_kind":
        assert decode(data).kind not in SPOKEN_BY_PEERS


# --- text frames ---------------------------------------------------------------------------------


@each(TEXT, direction=["in", "both"])
def test_text_is_read_as_the_binary_frame(vector: Vector) -> None:
    assert decode_text(vector["text"].encode()).hex() == vector["hex"]


@each(TEXT, direction=["out", "both"])
def test_binary_frame_is_written_as_text(vector: Vector) -> None:
    line = encode_text(decode(bytes.fromhex(vector["hex"])), sub=vector.get("sub", 0))
    assert len(line.splitlines()) == 1
    strict_json.check(line)  # no member stands twice
    assert json.loads(line) == json.loads(vector["text"])


def test_every_kind_a_peer_may_say_in_text_has_a_vector() -> None:
    read = {bytes.fromhex(v["hex"])[4] for v in TEXT if v["direction"] != "out"}
    assert read == SPOKEN_BY_PEERS


def text_of(vector: Vector) -> bytes:
    if "text_hex" in vector:
        return bytes.fromhex(vector["text_hex"])
    if "text_pieces" in vector:
        return "".join(piece * times for piece, times in vector["text_pieces"]).encode()
    return vector["text"].encode()


@each(TEXT_ILLEGAL)
def test_illegal_text_is_refused_as_documented(vector: Vector) -> None:
    with pytest.raises(AskrError) as caught:
        decode_text(text_of(vector))
    assert caught.value.code == vector["code"]
    assert caught.value.details.get("id") == vector["id"]
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


# --- names ---------------------------------------------------------------------------------------

CHECKS = {
    "workspace": names.check_workspace,
    "word": lambda text: names.check_word(text, "service"),
    "command": names.check_command,
    "address": names.parse_address,
    "subject": names.check_subject,
    "pattern": names.check_pattern,
    "key": names.check_key,
    "prefix": names.check_prefix,
}


@each(NAMES, what=CHECKS, legal=[True])
def test_legal_name_is_taken(vector: Vector) -> None:
    value = CHECKS[vector["what"]](vector["text"])
    plain = json.loads(json.dumps(value if isinstance(value, str) else asdict(value)))
    assert plain == vector.get("value", vector["text"])


@each(NAMES, what=CHECKS, legal=[False])
def test_illegal_name_is_refused_and_shown_harmless(vector: Vector) -> None:
    with pytest.raises(BadRequest) as caught:
        CHECKS[vector["what"]](vector["text"])
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


@each(NAMES, what=["match"])
def test_pattern_fits_what_it_should(vector: Vector) -> None:
    names.check_pattern(vector["text"])
    subjects = vector["matches"] + vector["misses"]
    fitting = [subject for subject in subjects if names.pattern_matches(vector["text"], subject)]
    assert fitting == vector["matches"]


@each(NAMES, what=["covers"])
def test_prefix_covers_what_it_should(vector: Vector) -> None:
    names.check_prefix(vector["text"])
    keys = vector["matches"] + vector["misses"]
    covered = [key for key in keys if names.prefix_matches(vector["text"], key)]
    assert covered == vector["matches"]


# --- ranges of versions --------------------------------------------------------------------------


@each(RANGES, legal=[True])
def test_range_takes_what_it_should(vector: Vector) -> None:
    wanted = parse_range(vector["text"])
    versions = vector["matches"] + vector["misses"]
    assert [version for version in versions if wanted.fits(version)] == vector["matches"]


@each(RANGES, legal=[False])
def test_illegal_range_is_refused_and_shown_harmless(vector: Vector) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_range(vector["text"])
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


# --- handshake -----------------------------------------------------------------------------------


@each(HANDSHAKE)
def test_hello_is_answered_as_documented(vector: Vector) -> None:
    payload = msgspec.json.encode(vector["hello"]) if "hello" in vector else text_of(vector)
    if "accepted" in vector:
        assert asdict(read_hello(payload)) == vector["accepted"]
        return
    with pytest.raises(AskrError) as caught:
        read_hello(payload)
    assert caught.value.code == vector["code"]
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
