# Types of wheel.py for the compiled build.

cimport cython

from askrd.core.session cimport Session


cdef class Wheel:
    cdef dict _slots
    cdef list _times
    cdef dict _reminders
    cdef long long _reminder_us
    cdef public long long next_due_us

    @cython.locals(slot="long long", waiting=list)
    cpdef arm(self, Session session, long long at_us)
    @cython.locals(next_us="long long")
    cdef _look_ahead(self)
