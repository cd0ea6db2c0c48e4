"""The terminal `askr`: what a person or a script types to use a running askrd."""
