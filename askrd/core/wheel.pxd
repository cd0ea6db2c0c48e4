# Types of wheel.py for the compiled build.

cimport cython

from askrd.core.session cimport Session


cdef class Wheel:
    cdef dict _slots
    cdef list _times
    cdef public long long next_due_us

    @cython.locals(slot="long long", waiting=list)
    cpdef arm(self, Session session, long long at_us)
    cdef _look_ahead(self)
