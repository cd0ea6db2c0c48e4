# Types of codec.py for the compiled build.

cimport cython
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from askrd.wire cimport header


cdef Py_ssize_t HEADER_BYTES, SIZE_BYTES
cdef uint64_t ID_MAX
cdef uint32_t FLAG_HEAD, FLAG_OPTIONS


@cython.locals(
    size=uint32_t,
    kind=uint8_t,
    stamp_length=uint8_t,
    name_length=uint16_t,
    id_=uint64_t,
    ttl_ms=uint32_t,
    tail=uint32_t,
    name_at=Py_ssize_t,
    at=Py_ssize_t,
    flags=uint32_t,
)
cpdef decode(object data)
