"""Measures what a Python program feels: our SDK on askrd beside nats-py and redis-py on theirs."""

from bench.sdk.rounds import measure

__all__ = ["measure"]
