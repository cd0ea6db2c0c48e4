# Types of switchboard.py for the compiled build.

from askrd.core.gate cimport Gate
from askrd.core.session cimport Session
from askrd.core.statistics cimport Totals
from askrd.core.wheel cimport Wheel


cdef class Switchboard:
    cdef public object daemon, limits, expiry, alarms, recent, failures
    cdef public long long now_us, started_us, wall_offset_us, queued_bytes, grace_ms
    cdef long long _floor
    cdef public dict sessions, workspaces, attachments, unreached
    cdef public Gate gate
    cdef public Wheel wheel
    cdef public Totals totals
    cdef public list dirty, effects, channels

    cpdef put(self, Session session, bytes data)
