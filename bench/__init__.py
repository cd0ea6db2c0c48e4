"""Measures the relay from outside and its pure parts from inside; README.md says how to read it."""
