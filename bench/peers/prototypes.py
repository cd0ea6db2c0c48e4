"""What the prototypes of the hot path reached beside the same peers, before askrd was written.

Medians of three interleaved rounds of 0.4 s on two cores of a 2.5 GHz Xeon, relay and generator at
a niceness of -20, otherwise as here. The prototypes routed for real, but had no deadlines, limits,
statistics or any other check. Only their ratios are used: 80 % of them is the floor to hold.

Rates are round trips, deliveries or megabytes per second; `call-1` is its p50 in microseconds.
`pure` is the prototype on asyncio protocols and uvloop, `compiled` the same with a router in Cython.
"""

MEDIANS: dict[str, dict[str, float]] = {
    "call-1": {
        "floor": 41,
        "pure": 53,
        "compiled": 47,
        "compiled-unix": 36,
        "compiled-ws": 50,
        "nats": 51,
        "redis": 69,
    },
    "call-64": {
        "floor": 957e3,
        "pure": 214e3,
        "compiled": 722e3,
        "compiled-unix": 851e3,
        "compiled-ws": 755e3,
        "nats": 352e3,
        "redis": 205e3,
    },
    "call-64x1": {
        "floor": 133e3,
        "pure": 94e3,
        "compiled": 139e3,
        "compiled-unix": 179e3,
        "compiled-ws": 156e3,
        "nats": 40e3,
        "redis": 87e3,
    },
    "event-100": {
        "floor": 7.11e6,
        "pure": 4.76e6,
        "compiled": 6.11e6,
        "compiled-unix": 6.58e6,
        "compiled-ws": 6.47e6,
        "nats": 1.54e6,
        "redis": 1.96e6,
    },
    "event-100-single": {
        "floor": 180e3,
        "pure": 167e3,
        "compiled": 169e3,
        "compiled-unix": 488e3,
        "compiled-ws": 171e3,
        "nats": 92e3,
        "redis": 221e3,
    },
    "event-1m": {
        "floor": 1096,
        "pure": 759,
        "compiled": 791,
        "compiled-unix": 660,
        "compiled-ws": 485,
        "nats": 889,
        "redis": 1429,
    },
}
HELD_SHARE = 0.8


def prototype_ratio(workload: str, ours: str, peer: str) -> float | None:
    """Returns what the prototype ``ours`` reached against ``peer``, if it was measured."""
    medians = MEDIANS.get(workload, {})
    if ours not in medians or peer not in medians:
        return None
    return medians[ours] / medians[peer]
