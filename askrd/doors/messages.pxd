# Types of messages.py for the compiled build.

cimport cython


@cython.locals(
    end_of=Py_ssize_t,
    raw="const char *",
    length=Py_ssize_t,
    start=Py_ssize_t,
    end=Py_ssize_t,
    mask=bytes,
)
cpdef Py_ssize_t take_plain(bytes data, Py_ssize_t at, list payloads) except -1
