# Types of changes.py for the compiled build.

cimport cython


cdef class Change:
    cdef public long long rev, ts_ms
    cdef public str key, cause
    cdef public object entry


cdef class Changes:
    cdef object _kept
    cdef long long _bytes
    cdef public long long floor

    @cython.locals(oldest=Change)
    cpdef remember(self, Change change)


cdef long long _size(Change change) except -1
