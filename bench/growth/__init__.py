"""What a round trip and a delivery cost while the daemon grows: `python -m bench.growth`."""
