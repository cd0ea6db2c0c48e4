# Types of router.py for the compiled build.

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from askrd.core cimport rules
from askrd.core.routes cimport Route
from askrd.core.services cimport Instance
from askrd.core.outbox cimport Outbox
from askrd.core.session cimport Session
from askrd.core.statistics cimport CommandStatistics, Totals
from askrd.core.subscriptions cimport Audience
from askrd.core.switchboard cimport Switchboard
from askrd.core.workspace cimport Workspace
from askrd.wire cimport header


cdef uint32_t _UNUSUAL
cdef uint8_t _CALL, _REPLY, _EMIT, _EVENT
cdef Py_ssize_t HEADER_BYTES
cdef uint32_t HEADER_REST_BYTES, _BURST_FRAME_BYTES
cdef long long ID_MAX, RECENT_MASK


cdef class Router:
    cdef public Switchboard board
    cdef bint _fast
    cdef long long _fast_size_max, _in_flight_max, _forget_at_us
    cdef public list dirty, effects

    @cython.locals(
        board=Switchboard,
        totals=Totals,
        workspace=Workspace,
        asked=dict,
        asking=dict,
        taken=set,
        routes=dict,
        subjects=dict,
        dirty=list,
        raw="const char *",
        fast=bint,
        size_max="long long",
        origin=bytes,
        event_stamp=bytes,
        replies="long long",
        emits="long long",
        deliveries="long long",
        queued="long long",
        at=Py_ssize_t,
        end_of=Py_ssize_t,
        end=Py_ssize_t,
        body=Py_ssize_t,
        size=uint32_t,
        kind=uint8_t,
        stamp_length=uint8_t,
        name_length=uint16_t,
        id_="long long",
        ttl_ms="long long",
        came_us="long long",
        tail=uint32_t,
        route=Route,
        member=Instance,
        callee=Session,
        caller=Session,
        deadline_us="long long",
        rid="long long",
        seq="long long",
        entry=tuple,
        asked_now=tuple,
        counted=CommandStatistics,
        audience=Audience,
        heard_by=Audience,
        burst=list,
        count=Py_ssize_t,
        frame=bytes,
        rest=bytes,
        name=bytes,
    )
    cpdef feed(self, Session session, bytes data, long long now_us)


@cython.locals(data=bytes, listener=Session, box=Outbox, lane=object, frame=bytes)
cdef _deliver(list dirty, Audience audience, list burst)
