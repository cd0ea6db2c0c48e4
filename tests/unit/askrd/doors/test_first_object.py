"""Which JSON is spoken: the first object says it, in whatever pieces it comes."""

import pytest

from askrd.doors.first_object import FirstObject

ASKR = [
    b'{"k":"hello","v":1}',
    b'{"v":1,"workspace":"lab","k":"hello"}\n',
    b'{"k":"hello"}{"type":"x"}',
    b'{"type":"x"\n',
    b'{"a":1]',
    b'{"k":"hello","k":1',
    b'{"a":"' + b"x" * 5_000,
]
NODE_ASKR = [
    b'{"workspace":"askr","mid":"m","command":"fetch","data":{}}',
    b'{"type":"subscription","eventType":"X"}\n',
    b'{"data":{"k":"hello"}}',
    b"{}",
    b'{"workspace":"askr","mid":"m","command":"c","data":"' + b"x" * 5_000,
]


@pytest.mark.parametrize(
    ("data", "tongue"),
    [(data, "askr") for data in ASKR if data[-1:] in b"}\n]x"]
    + [(data, "node-askr") for data in NODE_ASKR],
)
def test_the_first_object_says_which_tongue_it_is(data: bytes, tongue: str) -> None:
    assert FirstObject().feed(data) == tongue
    bytewise = FirstObject()
    told = [one for byte in data if (one := bytewise.feed(bytes([byte]))) is not None]
    assert told[0] == tongue


def test_an_object_that_is_not_whole_says_nothing_yet() -> None:
    first = FirstObject()
    assert first.feed(b'{"k":"hel') is None
    assert first.feed(b'lo","v":1') is None
    assert first.feed(b"}") == "askr"
