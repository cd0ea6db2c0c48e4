"""Chance for the core: ids and secrets that nobody can guess, from the kernel's generator."""

import secrets
import string

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
INSTANCE_ID_CHARS = 6
EPOCH_CHARS = 12
RESUME_SECRET_BYTES = 32


def base62(chars: int) -> str:
    """Returns ``chars`` random characters of `0-9 A-Z a-z`; 1 or more."""
    return "".join(secrets.choice(BASE62) for _ in range(chars))


def instance_id() -> str:
    """Returns the six-character suffix that tells apart peers of one name."""
    return base62(INSTANCE_ID_CHARS)


def epoch() -> str:
    """Returns the name of one run of the daemon; with `seq` it names an event for ever."""
    return base62(EPOCH_CHARS)


def resume_secret() -> str:
    """Returns the one-time secret with which a peer comes back to its session: 43 characters."""
    return secrets.token_urlsafe(RESUME_SECRET_BYTES)
