# Types of destinations.py for the compiled build.

cimport cython

from askrd.core.session cimport Session
from askrd.core.statistics cimport CommandStatistics


cdef class Instance:
    cdef public Service service
    cdef public Session session
    cdef public object provision
    cdef public bytes stamp
    cdef public dict commands


cdef class Service:
    cdef public str name
    cdef public dict instances, waiting
    cdef public Py_ssize_t cursor, waiting_bytes


cdef class Route:
    cdef public bytes name
    cdef public Service service
    cdef public list members
    cdef public bint is_renamed
    cdef public long long timeout_ms
    cdef public CommandStatistics statistics

    @cython.locals(members=list, cursor=Py_ssize_t, member=Instance, session=Session)
    cpdef Instance turn(self)
