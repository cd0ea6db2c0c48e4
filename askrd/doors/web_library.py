"""The library's half of a WebSocket: which pages, subprotocols and sizes it takes."""

from __future__ import annotations

import logging
from typing import cast

from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from askrd import compression
from askrd.wire.frames import SUBPROTOCOL_BINARY, SUBPROTOCOL_TEXT

COMPRESSED = {f"{SUBPROTOCOL_BINARY}.{kind}": kind for kind in compression.kinds()}
"""Subprotocols of binary frames in compressed blocks."""
_silent = logging.getLogger("askrd.doors.websocket.library")
_silent.disabled = True


def new_library(
    *, allow_origins: tuple[str, ...], message_bytes_max: int, may_compress: bool
) -> ServerProtocol:
    """Returns the library's state of a new connection."""
    return ServerProtocol(
        origins=[None, *map(Origin, allow_origins)],
        subprotocols=[Subprotocol(SUBPROTOCOL_BINARY), Subprotocol(SUBPROTOCOL_TEXT)],
        select_subprotocol=lambda _, offered: _select(offered, may_compress=may_compress),
        max_size=message_bytes_max,
        logger=_silent,
    )


def _select(offered: object, *, may_compress: bool) -> Subprotocol | None:
    """Takes the first known subprotocol; a peer that offers none or others decides by message."""
    names = cast("list[Subprotocol]", offered)
    known = [SUBPROTOCOL_BINARY, SUBPROTOCOL_TEXT, *(COMPRESSED if may_compress else ())]
    return next((name for name in names if name in known), None)
