"""The verbs of the terminal: each a function of a `Terminal` and its arguments."""
