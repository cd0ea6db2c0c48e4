# Types of workspace.py for the compiled build.


cdef class Workspace:
    cdef public str name
    cdef public dict sessions, watching, onlookers, roster, groups, followers
    cdef public object destinations, subscriptions, state, changes, kept, jobs, recent, retained, logs
    cdef public long long seq
