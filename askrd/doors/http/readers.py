"""Which reader of requests a daemon has: the one for every method, or the one for GET alone."""

from __future__ import annotations

from askrd.doors.http.intake import Intake


def new_intake() -> Intake:
    """Returns a reader for the next request: of any method where h11 is installed."""
    try:
        from askrd.doors.http.bodies import BodyIntake
    except ModuleNotFoundError:
        from askrd.doors.http.bodiless import BodilessIntake

        return BodilessIntake()
    return BodyIntake()
