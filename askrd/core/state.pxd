# Types of state.py for the compiled build.

cimport cython


cdef class State:
    cdef public dict entries, owned
    cdef dict _proposed
    cdef public long long rev, head_rev, told_rev, bytes, count

    @cython.locals(proposed=tuple)
    cpdef head(self, str key)
    @cython.locals(rev="long long")
    cpdef long long propose(self, str key, object entry, object before) except -1
    @cython.locals(newest=tuple)
    cpdef commit(self, str key, object entry, long long rev)
    @cython.locals(owner=str, heir=str)
    cdef _count(self, str key, object before, object after)
