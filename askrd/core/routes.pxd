# Types of routes.py for the compiled build.

cimport cython

from askrd.core.services cimport Instance, Service
from askrd.core.session cimport Session
from askrd.core.statistics cimport CommandStatistics


cdef class Route:
    cdef public bytes name, address
    cdef public str command
    cdef public Service service
    cdef public list members
    cdef public object spec
    cdef public str policy
    cdef object _choose
    cdef public bint is_renamed, is_plain, is_idempotent
    cdef public long long timeout_ms, waiting_max
    cdef public CommandStatistics statistics

    @cython.locals(members=list, cursor=Py_ssize_t, member=Instance, session=Session)
    cpdef Instance turn(self)
