"""Runs askrd beside the brokers its users would pick, so that a claim about speed is a ratio of one run."""
