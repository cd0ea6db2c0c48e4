# Types of entries.py for the compiled build.

from askrd.core.session cimport Session
from askrd.core.switchboard cimport Switchboard


cpdef put(Switchboard board, Session session, object frame, object _raw)
cdef _check_size(Py_ssize_t size)
