# The header in C. header.py says what each function does; both must give the same bytes.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef packed struct Header:
    uint32_t size
    uint8_t kind
    uint8_t stamp_length
    uint16_t name_length
    uint64_t id
    uint32_t ttl_ms
    uint32_t tail


ctypedef (uint32_t, uint8_t, uint8_t, uint16_t, uint64_t, uint32_t, uint32_t) Fields


cdef inline Fields read(bytes data, Py_ssize_t at) noexcept:
    cdef Header* header = <Header*>(PyBytes_AS_STRING(data) + at)
    return (
        header.size,
        header.kind,
        header.stamp_length,
        header.name_length,
        header.id,
        header.ttl_ms,
        header.tail,
    )


cdef inline bytes stamped(
    uint32_t size,
    uint8_t kind,
    uint16_t name_length,
    uint64_t id_,
    uint32_t ttl_ms,
    uint32_t tail,
    bytes stamp,
    bytes data,
    Py_ssize_t at,
    Py_ssize_t end,
):
    cdef Py_ssize_t length = PyBytes_GET_SIZE(stamp)
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, sizeof(Header) + length + end - at)
    cdef char* to = PyBytes_AS_STRING(frame)
    cdef Header* header = <Header*>to
    header.size = size + <uint32_t>length
    header.kind = kind
    header.stamp_length = <uint8_t>length
    header.name_length = name_length
    header.id = id_
    header.ttl_ms = ttl_ms
    header.tail = tail
    memcpy(to + sizeof(Header), PyBytes_AS_STRING(stamp), length)
    memcpy(to + sizeof(Header) + length, PyBytes_AS_STRING(data) + at, end - at)
    return frame
