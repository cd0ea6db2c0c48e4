"""Programs that askr runs for a command or an event: their words, their processes, their end."""
