# Types of session.py for the compiled build.

from askrd.core.outbox cimport Outbox


cdef class Session:
    cdef public str suffix, secret, via, address, name, kind
    cdef public object phase, workspace, assembly, parts
    cdef public bytes origin
    cdef public Outbox outbox
    cdef public dict asked, asking, routes, subjects, subscriptions, watches, instances
    cdef public set taken
    cdef public long long last_id, last_ticket, due_us, heard_us, since_us, bytes_in
    cdef public bint is_ready, is_unresponsive, is_held_to_pings, is_finishing, wants_roster
