"""The interactive terminal: one open connection, the same verbs, live names under Tab."""
