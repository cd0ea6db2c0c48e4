# Types of commits.py for the compiled build.

cimport cython

from askrd.core cimport watchers
from askrd.core.changes cimport Change
from askrd.core.gate cimport Gate, Gated
from askrd.core.session cimport Session
from askrd.core.state cimport State
from askrd.core.switchboard cimport Switchboard
from askrd.core.workspace cimport Workspace


@cython.locals(state=State, gate=Gate, rev="long long", ts_ms="long long", is_durable=bint)
cdef _begin(Switchboard board, Workspace workspace, Gated item, str key, object entry, str cause)
@cython.locals(session=Session)
cpdef park(Switchboard board, Gated item)
cdef _in_turn(Switchboard board, Gated item)
cdef _persist(Switchboard board, Workspace workspace, str key, object entry, long long rev)
@cython.locals(change=Change, session=Session, workspace=Workspace)
cdef _settle(Switchboard board, Gated item)
cdef _answer(Switchboard board, Session session, Gated item, Change change)
