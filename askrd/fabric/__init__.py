"""Where several daemons become one workspace: the seam, and what stands there for one alone."""
