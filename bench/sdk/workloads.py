"""What is measured end to end: one row per workload, the same for every system."""

from dataclasses import dataclass

PAYLOAD = bytes(range(128))
"""The payload of every row but those that say otherwise."""
ORDER: dict[str, object] = {
    "id": 48_213,
    "name": "a product with a name of usual length",
    "tags": ["new", "blue", "sale"],
    "price": 19.99,
    "text": "in stock, ships today",
}
"""The same size as JSON: 128 bytes, give or take a few."""
WINDOW = 512
"""Events under way before the publisher waits for its subscribers."""
ACK_EVERY = 128
"""Events after which a subscriber says that it has read so many."""
CHUNK = 64
"""Events that are published between two looks at the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row.

    Attributes:
        name: stable id, for `--only` and the JSON.
        title: what a reader of the table sees.
        unit: what is counted.
        in_flight: requests under way at any time; 0 for events.
        subscribers: connections that hear each event; 0 for requests.
        is_json: whether the payload is an object instead of bytes.
    """

    name: str
    title: str
    unit: str = "requests/s"
    in_flight: int = 0
    subscribers: int = 0
    is_json: bool = False


WORKLOADS = (
    Workload(name="sdk-ask-1", title="request and reply, one at a time", in_flight=1),
    Workload(name="sdk-ask-64", title="request and reply, 64 in flight", in_flight=64),
    Workload(name="sdk-ask-64-json", title="the same, a JSON object", in_flight=64, is_json=True),
    Workload(name="sdk-event-1", title="events, 1 subscriber", unit="events/s", subscribers=1),
    Workload(
        name="sdk-event-10", title="events, 10 subscribers", unit="deliveries/s", subscribers=10
    ),
)
