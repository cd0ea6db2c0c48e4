"""Whether a web page, or the name a request goes by, is this daemon's own: what no stranger can be.

A name in a `Host` header proves nothing: a stranger's name may be made to lead to this machine after
its page was loaded, and then that page and the daemon have the same origin (DNS rebinding). An IP
address, `localhost` and a name without a dot cannot be had by a stranger.
"""

from __future__ import annotations

from ipaddress import ip_address


def is_own_origin(origin: str, host: str) -> bool:
    """Says whether a page came from the very address that it asks.

    Args:
        origin: as the browser says it, `http://127.0.0.1:8800`.
        host: the header `Host` of the same request.
    """
    return is_own_host(host) and origin in {f"http://{host}", f"https://{host}"}


def is_own_host(host: str) -> bool:
    """Says whether a host is an address, this machine by name, or a name without a dot.

    Args:
        host: with or without a port.
    """
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        name = host
    if name.startswith("[") and name.endswith("]"):
        return _is_address(name[1:-1])
    is_near = name == "localhost" or name.endswith(".localhost")
    is_single = bool(name) and not set(name) & set(".:/@[]") and name.isascii()
    return is_near or is_single or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
