"""Peers that write as fast as they are answered, and know what the daemon owes them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.integration.text_peer import TextPeer

WINDOW = 8
PATIENCE_S = 30.0

Value = dict[str, object] | None


class Writer:
    """One peer that writes to keys of its own, ``WINDOW`` of them at a time.

    Attributes:
        answered: per key, what the last answered write made of it; None = deleted.
        asked: per key, what the last write wanted, answered or not.
        count: how many writes were answered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.answered: dict[str, Value] = {}
        self.asked: dict[str, Value] = {}
        self.count = 0
        self._turn = 0

    def run(self, url: str, stop: threading.Event) -> None:
        """Writes until ``stop`` or until the connection is lost."""
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            peer = TextPeer(url, name=self.name)
            try:
                while not stop.is_set():
                    self._write_once(peer)
            finally:
                peer.drop()

    def _write_once(self, peer: TextPeer) -> None:
        """Writes one value to each of its keys, deletes some, and hears every answer."""
        self._turn += 1
        keys = {}
        for id_ in range(1, WINDOW + 1):
            key = f"{self.name}/{id_}"
            keys[id_] = key
            if self._turn % 10 == 0 and self.answered.get(key):
                self.asked[key] = None
                peer.say(k="del", id=id_, key=key)
            else:
                filler = "x" * (self._turn * 37 % 4000)
                self.asked[key] = {"turn": self._turn, "key": key, "filler": filler}
                peer.say(k="put", id=id_, key=key, d=self.asked[key])
        for _ in keys:
            answer = peer.hear_kind("ok")
            key = keys[answer["id"]]
            self.answered[key] = self.asked[key]
            self.count += 1

    def settle(self, there: dict[str, Value]) -> None:
        """Checks what is there against what is owed, and goes on from it.

        Every key has what was answered last, or what was asked for last and not answered.
        """
        for key, asked in self.asked.items():
            found = there.get(key)
            assert found in (self.answered.get(key), asked), (key, found, asked)
            self.answered[key] = self.asked[key] = found


@contextmanager
def writing(writers: list[Writer], url: str) -> Iterator[None]:
    """Has all of them write while the block lasts."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(url, stop)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns when ``condition`` holds."""
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"it did not happen within {PATIENCE_S} s"
        time.sleep(0.002)


def everything(url: str) -> dict[str, Value]:
    """Returns all entries of the workspace, read by a peer of its own."""
    found: dict[str, Value] = {}
    with TextPeer(url, name="reader") as peer:
        peer.say(k="get", id=1, key="", prefix=True)
        while (frame := peer.hear())["k"] == "change":
            found[frame["key"]] = frame["d"]
        assert frame["k"] == "ok", frame
        assert frame["count"] == len(found)
    return found
