"""Holds the kinds and flags of frames, and that the protocol's page names the same."""

import re

from askrd.wire import frames
from askrd.wire.frames import FLAG_RESERVED, HEADER, HEADER_REST_BYTES, MAGIC, SIZE_BYTES, Kind
from askrd.wire.limits import HEADER_BYTES, PART_BYTES
from tests.unit.askrd.wire.page import section, tables, words


def kinds_of_the_page() -> dict[str, int]:
    (table,) = tables("4.2")
    rows = {}
    for names, numbers, *_ in table:
        separator = "·" if "·" in names else None
        pairs = zip(names.split(separator), numbers.split(separator), strict=True)
        rows |= {name.strip(): int(number, 16) for name, number in pairs}
    reserved = re.search(r"^Reserved: (.*?)\.$", section("4.2"), re.MULTILINE)
    assert reserved
    for entry in reserved[1].split(", "):
        name, number = entry.split()
        rows[name] = int(number, 16)
    return rows


def test_the_page_names_every_kind_with_its_number() -> None:
    assert kinds_of_the_page() == {kind.name.lower(): kind.value for kind in Kind}


def test_the_page_says_what_each_family_is() -> None:
    families = re.search(r"high nibble = family: ([^|]*)", section("4.1"))
    assert families
    assert {int(part.split()[0]) for part in families[1].split(",")} == {k >> 4 for k in Kind}


def test_the_page_names_every_flag_with_its_bit() -> None:
    ((_, _, _, meaning),) = [row for row in tables("4.1")[0] if row[2] == "flags"]
    of_the_page = {name: int(bit, 16) for bit, name in re.findall(r"(\d\d) (\w+)", meaning)}
    assert of_the_page == {
        name.removeprefix("FLAG_"): value
        for name, value in vars(frames).items()
        if name.startswith("FLAG_") and name != "FLAG_RESERVED"
    } | {"reserved": FLAG_RESERVED}


def test_the_header_is_as_the_page_draws_it() -> None:
    at = 0
    for offset, size, *_ in tables("4.1")[0]:
        assert int(offset) == at
        at += int(size)
    assert at == HEADER.size == HEADER_BYTES == SIZE_BYTES + HEADER_REST_BYTES
    assert f"struct '{HEADER.format}'" in section("4.1")


def test_large_frames_are_cut_at_the_size_the_page_says() -> None:
    assert f"A frame above {PART_BYTES // 1024} KiB may be cut" in section("4.1")


def test_the_doors_know_the_peer_by_what_the_page_says() -> None:
    first = tables("2")[0][0][0]
    assert bytes.fromhex(words(first)[0]) == MAGIC
    assert f"`{frames.SUBPROTOCOL_BINARY}`" in section("2")
    assert f"`{frames.SUBPROTOCOL_TEXT}`" in section("2")


def test_a_frame_says_nothing_it_was_not_told() -> None:
    frame = frames.Frame(kind=Kind.PING)
    assert (frame.id, frame.name, frame.payload, frame.coding) == (0, b"", b"", frames.Coding.NONE)
    assert (frame.flags, frame.ttl_ms, frame.hops) == (0, 0, 0)
    assert (frame.head, frame.options, frame.stamp) == (b"", b"", b"")
