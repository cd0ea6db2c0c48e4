"""Where connections arrive: each door turns one kind of connection into bytes for the core."""
