# Types of watchers.py for the compiled build.

cimport cython

from askrd.core.session cimport Session
from askrd.core.switchboard cimport Switchboard
from askrd.wire cimport header


@cython.locals(options=bytes, name=bytes, rest=bytes, size=Py_ssize_t, ok=bytes)
cpdef ok_plainly(Switchboard board, Session session, object frame, long long rev, long long ts_ms)
