# Types of rules.py for the compiled build.

from askrd.core.session cimport Session
from askrd.core.switchboard cimport Switchboard


cpdef take(Switchboard board, Session session, object raw)
cpdef handle(Switchboard board, Session session, object frame, object raw)
