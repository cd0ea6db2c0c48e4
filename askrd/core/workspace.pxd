# Types of workspace.py for the compiled build.

from askrd.core.changes cimport Changes
from askrd.core.state cimport State


cdef class Workspace:
    cdef public str name
    cdef public dict sessions, watching, onlookers, roster, groups, followers
    cdef public object destinations, subscriptions, kept, jobs, recent, retained, logs
    cdef public State state
    cdef public Changes changes
    cdef public long long seq
