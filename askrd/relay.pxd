# Types of relay.py for the compiled build.

cimport cython

from askrd.core.outbox cimport Outbox
from askrd.core.router cimport Router
from askrd.core.session cimport Session
from askrd.core.switchboard cimport Switchboard
from askrd.core.wheel cimport Wheel


cdef class Relay:
    cdef public Router router
    cdef public object events, on_gone, on_rebound, on_dial
    cdef object _loop, _on_fault, _fabric, _alarm
    cdef Wheel _wheel
    cdef dict _doors
    cdef bint _is_flush_due, _is_closed
    cdef long long _alarm_us

    cpdef received(self, Session session, bytes data)

    @cython.locals(router=Router, due_us="long long")
    cdef _after(self)

    @cython.locals(router=Router, dirty=list, session=Session, box=Outbox, pieces=list)
    cpdef _flush(self)


cdef _hand(object door, list pieces)
