# Types of session.py for the compiled build.

from askrd.core.outbox cimport Outbox


cdef class Session:
    cdef public str suffix, secret, via, address, name, kind
    cdef public object phase, workspace, assembly, parts, resumption, main
    cdef public bytes origin
    cdef public Outbox outbox
    cdef public dict asked, asking, again, routes, subjects, subscriptions, watches, instances
    cdef public dict hearings, collections, answering
    cdef public object remember
    cdef public set taken
    cdef public long long last_id, ended_badly, last_ticket, due_us, heard_us, since_us, bytes_in, confirm_at
    cdef public bint is_ready, takes_streams, is_unresponsive, is_held_to_pings, is_finishing, knows_drain, wants_roster

    cpdef bint is_in_use(self, id_) except -1
