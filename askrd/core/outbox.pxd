# Types of outbox.py for the compiled build.


cdef class Outbox:
    cdef object _limits
    cdef object _on_full
    cdef object _dropped
    cdef public object urgent
    cdef public object bulk
    cdef public object events
    cdef public object undroppable
    cdef public bint is_paused

    cpdef list take(self)
