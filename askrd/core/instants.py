"""Moments with a name; apart from the wheel, because the wheel needs sessions and sessions need them."""

NEVER_US = 2**62
"""A time that does not come."""
