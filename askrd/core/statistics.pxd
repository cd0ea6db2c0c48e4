# Types of statistics.py for the compiled build.


cdef class CommandStatistics:
    cdef public long long calls, errors, replies
    cdef public unsigned long long[::1] recent_us


cdef class Totals:
    cdef public long long datagrams, datagrams_dropped
    cdef public long long deliveries, departed_calls, dropped, events, fails
    cdef public long long forged_replies, late_replies, replies, sessions

    cpdef add(self, long long replies, long long events, long long deliveries)
