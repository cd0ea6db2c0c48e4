/* The part of the askr/1 wire that the load generator speaks: magic, kinds and the 24-byte header. */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the header is copied as it lies in memory: this program needs a little-endian machine"
#endif

#define MAGIC "\0askr/1\n"
#define MAGIC_BYTES 8

enum kind {
    KIND_HELLO = 0x01,
    KIND_WELCOME = 0x04,
    KIND_PING = 0x05,
    KIND_PONG = 0x06,
    KIND_BYE = 0x07,
    KIND_ERROR = 0x08,
    KIND_CALL = 0x10,
    KIND_PROGRESS = 0x11,
    KIND_REPLY = 0x12,
    KIND_FAIL = 0x13,
    KIND_CANCEL = 0x14,
    KIND_SUB = 0x30,
    KIND_SUBBED = 0x31,
    KIND_EMIT = 0x33,
    KIND_EVENT = 0x35,
    KIND_GAP = 0x38,
    KIND_PUT = 0x41,
    KIND_WATCH = 0x43,
    KIND_CHANGE = 0x44,
    KIND_SYNCED = 0x45,
    KIND_OK = 0x47,
    KIND_PROVIDE = 0x50,
    KIND_PROVIDED = 0x51,
};

enum flag { FLAG_OPTIONS = 0x02, FLAG_KEPT = 0x40 };

enum coding { CODING_NONE = 0, CODING_JSON = 1, CODING_BYTES = 2 };

/* `size` counts the bytes after itself; stamp, name, options where the flag says so (behind their length in two
 * bytes), and payload follow the header. */
struct __attribute__((packed)) header {
    uint32_t size;
    uint8_t kind;
    uint8_t stamp_length;
    uint16_t name_length;
    uint64_t id;
    uint32_t ttl_ms;
    uint8_t coding;
    uint8_t flags;
    uint8_t hops;
    uint8_t zero;
};

_Static_assert(sizeof(struct header) == 24, "the header is 24 bytes");

#endif
