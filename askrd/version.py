"""Holds the one version number that the package, the wire greeting and both programs report."""

VERSION = "0.1.0"
