# Types of subscriptions.py for the compiled build.


cdef class Audience:
    cdef public list listeners, others
    cdef public long long count
