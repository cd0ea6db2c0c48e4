"""The live monitor: what the daemon counts, as rates and tables on a terminal."""
