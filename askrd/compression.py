"""Compression of a connection: which kinds there are here, and one of each end.

`deflate` is always there, `zstd` with Python 3.14 or the extra `askrd[zstd]`. Both ends of a
connection agree on one before anything else is said.
"""

import sys
import zlib
from collections.abc import Callable
from types import ModuleType

from askrd.wire.blocks import Compress, Decompress, Packer, Unpacker
from askrd.wire.errors import BadRequest

ZSTD, DEFLATE = "zstd", "deflate"
DEFLATE_LEVEL = 1
ZSTD_LEVEL = 1
ZSTD_WINDOW_LOG_MAX = 21
"""Of a stream that is read: 2 MiB are kept of it, no more."""
_RAW_WINDOW_BITS = -15


def kinds() -> tuple[str, ...]:
    """Returns what can be spoken here, the best first."""
    return (DEFLATE,) if zstd_module() is None else (ZSTD, DEFLATE)


def chosen(offered: list[str]) -> str:
    """Returns the first of what a peer offers that can be spoken here; empty = nothing."""
    known = kinds()
    return next((kind for kind in offered if kind in known), "")


def packer(kind: str) -> Packer:
    """Returns the sending end of one direction."""
    return Packer(_ENDS[kind][0]())


def unpacker(kind: str) -> Unpacker:
    """Returns the receiving end of one direction."""
    return Unpacker(_ENDS[kind][1]())


def zstd_module() -> ModuleType | None:
    """Returns the module that speaks zstd, where there is one."""
    found: ModuleType
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd as found
        else:
            from backports import zstd as found
    except ImportError:
        return None
    return found


def _deflating() -> Compress:
    stream = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, _RAW_WINDOW_BITS)
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _inflating() -> Decompress:
    stream = zlib.decompressobj(_RAW_WINDOW_BITS)

    def decompress(data: bytes, most: int) -> bytes:
        try:
            found = stream.decompress(data, most)
        except zlib.error as exc:
            raise BadRequest(f"a block is no deflate stream: {exc}") from exc
        if stream.unconsumed_tail or stream.eof:
            raise BadRequest(_TOO_MUCH.format(most) if stream.unconsumed_tail else _OVER)
        return found

    return decompress


def _zstd_compressing() -> Compress:
    zstd = zstd_module()
    assert zstd is not None
    stream = zstd.ZstdCompressor(level=ZSTD_LEVEL)
    return lambda data: bytes(stream.compress(data, mode=stream.FLUSH_BLOCK))


def _zstd_decompressing() -> Decompress:
    zstd = zstd_module()
    assert zstd is not None
    limits = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}
    stream = zstd.ZstdDecompressor(options=limits)

    def decompress(data: bytes, most: int) -> bytes:
        try:
            found = bytes(stream.decompress(data, max_length=most))
            while not (stream.needs_input or stream.eof):
                more = bytes(stream.decompress(b"", max_length=most - len(found) + 1))
                found += more
                if len(found) > most:
                    raise BadRequest(_TOO_MUCH.format(most))
                if not more:
                    break
        except (zstd.ZstdError, EOFError) as exc:
            raise BadRequest(f"a block is no zstd stream: {exc}") from exc
        if stream.eof:
            raise BadRequest(_OVER)
        return found

    return decompress


_TOO_MUCH = "a block becomes more than {} bytes; nobody sends that"
_OVER = "a compressed stream ends in the middle of a connection"
_ENDS: dict[str, tuple[Callable[[], Compress], Callable[[], Decompress]]] = {
    DEFLATE: (_deflating, _inflating),
    ZSTD: (_zstd_compressing, _zstd_decompressing),
}
