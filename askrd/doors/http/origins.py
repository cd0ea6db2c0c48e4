"""Which web pages may use the daemon: none, unless the setting `allow_origins` names them.

Any page in a browser can reach a port of the visitor's own machine. Browsers say who asks by the
header `Origin`, and where they leave it out (a plain GET) by `Sec-Fetch-Site`.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from askrd.doors.http.answer import Answer, Refused, refusal

SHOWN_HEADERS = "askr-from, etag, retry-after"
PREFLIGHT_S = 600


def check_origin(headers: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Returns when a request may be served as far as its origin goes.

    Args:
        headers: of the request.
        allowed: origins such as `https://console.example.org`.

    Raises:
        Refused: a page asks that is not allowed to.
    """
    origin = headers.get("origin")
    if origin is not None:
        if origin not in allowed:
            raise Refused(_forbidden(origin))
        return
    site = headers.get("sec-fetch-site", "")
    if site in {"", "none"}:
        return  # No browser, or its user, who typed the address.
    host = headers.get("host", "")
    is_known = f"http://{host}" in allowed or f"https://{host}" in allowed or _is_own(host)
    if site != "same-origin" or not is_known:
        raise Refused(_forbidden(host if site == "same-origin" else f"a {site} page"))


def _is_own(host: str) -> bool:
    """Says whether a host is this machine by name, or an address: no foreign name leads here."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _forbidden(origin: str) -> Answer:
    return refusal(
        403,
        "forbidden",
        f"web pages of {origin[:200]!r} may not use this daemon; nothing was done. To allow them: "
        "allow_origins in the configuration",
    )


def cors_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns what an answer says to a page that was allowed to ask; empty to others."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": SHOWN_HEADERS,
        "vary": "origin",
    }


def preflight_headers(headers: Mapping[str, str], allow: str) -> dict[str, str]:
    """Returns what the answer to OPTIONS says of methods and headers."""
    found = {"allow": allow}
    if "origin" in headers and "access-control-request-method" in headers:
        found["access-control-allow-methods"] = allow
        found["access-control-max-age"] = str(PREFLIGHT_S)
        if asked := headers.get("access-control-request-headers"):
            found["access-control-allow-headers"] = asked
    return found
