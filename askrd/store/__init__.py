"""Where state survives: the seam, and its implementations."""
