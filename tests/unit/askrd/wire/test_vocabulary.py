"""Holds the tables of text frames: they speak of the same kinds and fields."""

from askrd.wire import frames
from askrd.wire.frames import FLAG_SEALED, Kind
from askrd.wire.vocabulary import (
    BODY_OF,
    ENVELOPE_FIELDS,
    FLAG_FIELD,
    GRAVE_FIELDS,
    NAME_FIELD,
    OPTIONS_OF,
    RELAYED_BODIES,
    SPOKEN_BY_PEERS,
    WITH_MORE,
    WITH_PAYLOAD,
    WITH_UP,
)


def test_the_tables_speak_of_the_same_kinds() -> None:
    assert set(BODY_OF) <= SPOKEN_BY_PEERS
    assert not set(BODY_OF) & WITH_PAYLOAD
    assert not set(BODY_OF) & set(NAME_FIELD)
    assert set(OPTIONS_OF) <= set(NAME_FIELD)
    assert SPOKEN_BY_PEERS >= WITH_MORE | WITH_UP
    assert set(BODY_OF) >= RELAYED_BODIES


def test_every_flag_has_a_field_or_another_way_to_be_said() -> None:
    of_the_wire = {bit for name, bit in vars(frames).items() if name.startswith("FLAG_")}
    said_otherwise = {frames.FLAG_HEAD, frames.FLAG_OPTIONS, FLAG_SEALED, frames.FLAG_RESERVED}
    assert set(FLAG_FIELD) == of_the_wire - said_otherwise


def test_no_member_of_a_body_is_called_like_a_field_of_the_frame() -> None:
    for kind in RELAYED_BODIES:
        assert not set(BODY_OF[kind].__struct_fields__) & ENVELOPE_FIELDS


def test_kinds_that_count_bytes_or_cut_frames_are_not_for_text() -> None:
    assert not {Kind.PART, Kind.RESUME, Kind.RESUMED} & SPOKEN_BY_PEERS


def test_what_is_refused_where_it_means_nothing_means_something_elsewhere() -> None:
    known = {field for fields in OPTIONS_OF.values() for field in fields}
    assert set(GRAVE_FIELDS) <= known
