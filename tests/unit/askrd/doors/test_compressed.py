"""A connection that compresses: what comes in parts is put together, and is no silence meanwhile."""

from askrd import compression
from askrd.compression import DEFLATE
from askrd.doors.door import RawDoor
from tests.unit.askrd.doors.hearsay import Hearing, Wire, open_session


def test_who_sends_a_block_slowly_is_not_silent() -> None:
    relay = Hearing()
    door = RawDoor(relay, open_session(), Wire())
    door.compress(DEFLATE)
    said = bytes(range(256)) * 100
    block = compression.packer(DEFLATE).pack(said)
    for at in range(0, len(block), 100):
        before = len(relay.reads)
        door.data_received(block[at : at + 100])
        assert len(relay.reads) == before + 1
    assert relay.heard == said
