"""Live names as a daemon would give them, for the tests of this folder."""

from dataclasses import replace

from askr_cli.shell.live_names import LiveNames, live_names

CRAWL = {
    "type": "object",
    "properties": {
        "depth": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
        "url": {"type": "string"},
        "mode": {"enum": ["fast", "very deep"]},
        "follow": {"type": "boolean"},
    },
    "required": ["url"],
}

SERVICES = [
    {
        "service": "agent",
        "instance": "k3Tz9a",
        "commands": ["fetch", "crawl"],
        "emits": ["FETCHED_TIME"],
        "listens": ["orders.*"],
    },
    {"service": "agent", "instance": "p01x7d", "commands": ["fetch", "crawl"], "emits": []},
    {"service": "cache", "instance": "aaaaaa", "commands": [{"name": "fetch"}, "cache.clear"]},
]

DESCRIPTIONS = {
    "agent": {
        "commands": [
            {"name": "fetch", "doc": "Tells the time.\nMore.", "request": {"type": "object"}},
            {
                "name": "crawl",
                "doc": "Crawls.",
                "request": CRAWL,
                "response": {"type": "array", "items": {"type": "string"}},
            },
        ]
    }
}


def names() -> LiveNames:
    """Two services, three instances, four commands, two events, three keys, a log, two jobs."""
    known = live_names(SERVICES, DESCRIPTIONS, ["config/theme", "config/size", "top"])
    logs = {"orders": "orders.**"}
    return replace(known, logs=logs, jobs={"17": "mail.post dead", "9": "mail.post done"})
