"""The wire `askr/1`: what peers and the daemon say to each other, as pure code without I/O."""
