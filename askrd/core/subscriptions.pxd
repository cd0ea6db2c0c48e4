# Types of subscriptions.py for the compiled build.


cdef class Audience:
    cdef public list listeners
    cdef public long long count
