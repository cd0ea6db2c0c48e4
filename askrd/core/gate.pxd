# Types of gate.py for the compiled build.

from askrd.core.changes cimport Change
from askrd.core.session cimport Session
from askrd.core.workspace cimport Workspace


cdef class Gated:
    cdef public long long ticket
    cdef public Session session
    cdef public Workspace workspace
    cdef public Change change
    cdef public object frame, for_services, unchanged, deed
    cdef public bint is_loose, shows_value


cdef class Gate:
    cdef readonly object _waiting, _fast, _loose, _weights
    cdef public long long ticket, committed, awaited, waiting_bytes
    cdef public dict unsaved, unsaved_rows
    cdef public str refusal

    cpdef check_room(self)
    cpdef park(self, Gated item)
