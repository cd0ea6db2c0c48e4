"""What the daemon takes from the machine: paths, clock, chance, systemd, logs and signals."""
