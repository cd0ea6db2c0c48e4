# Types of services.py for the compiled build.

from askrd.core.session cimport Session


cdef class Instance:
    cdef public Service service
    cdef public Session session
    cdef public object provision
    cdef public bytes stamp
    cdef public str state
    cdef public dict commands, running
    cdef public long long load, failures, failed_at, ejected_until_us, ejections, credit


cdef class Service:
    cdef public str name
    cdef public dict instances, waiting
    cdef public Py_ssize_t cursor, waiting_count, waiting_bytes, last_number
    cdef object _chance
