"""Which web pages may use the daemon: none, unless the setting `allow_origins` names them.

Any page in a browser can reach a port of the visitor's own machine. Browsers say who asks by the
header `Origin`, and where they leave it out (a plain GET) by `Sec-Fetch-Site`; to a name without TLS
they say neither, so such a name has to be known. A page of the daemon's own address may always ask.
"""

from __future__ import annotations

from collections.abc import Mapping

from askrd.doors.http.answer import Answer, Refused, refusal
from askrd.doors.own_origin import is_own_host, is_own_origin

SHOWN_HEADERS = "askr-from, etag, retry-after"
PREFLIGHT_S = 600


def check_origin(
    headers: Mapping[str, str], allowed: tuple[str, ...], *, is_proved: bool = False
) -> None:
    """Returns when a request may be served as far as its origin goes.

    Args:
        headers: of the request.
        allowed: origins such as `https://console.example.org`.
        is_proved: whether a certificate proved the name of the daemon to the client.

    Raises:
        Refused: a page asks that is not allowed to.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None:
        if origin not in allowed and not is_own_origin(origin, host):
            raise Refused(_forbidden(origin))
        return
    site = headers.get("sec-fetch-site", "")
    if site not in {"", "none", "same-origin"}:
        raise Refused(_forbidden(f"a {site} page"))
    is_known = f"http://{host}" in allowed or f"https://{host}" in allowed or is_own_host(host)
    if site == "same-origin" and not is_known:
        raise Refused(_forbidden(host))
    if site == "" and host and not is_known and not is_proved:
        # A program, or a page whose own name was made to lead here: browsers say nothing then.
        raise Refused(_strange(host))


def _forbidden(origin: str) -> Answer:
    return refusal(
        403,
        "forbidden",
        f"web pages of {origin[:200]!r} may not use this daemon; nothing was done. To allow them: "
        "allow_origins in the configuration",
    )


def _strange(host: str) -> Answer:
    return refusal(
        403,
        "forbidden",
        f"this daemon is not known as {host[:200]!r}; nothing was done. Ask it by address, or name "
        f"it: allow_origins = [{f'http://{host[:200]}'!r}] in the configuration",
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
