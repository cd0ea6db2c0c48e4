/* The load generator's connections: what a peer holds, how bytes leave it, and what a message cut out of a read is. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARRY_BYTES 4096
#define HELD_BYTES 512
#define MARK_BYTES 8
#define ADDRESS_BYTES 8
#define OPENING_BYTES (MARK_BYTES + ADDRESS_BYTES)
#define PEERS_MAX 16384
#define STALL_SECONDS 10.0

enum role { ROLE_SILENT, ROLE_CALLER, ROLE_SERVICE, ROLE_EMITTER, ROLE_LISTENER };

/* One received message: head, payload, tail. Of a long payload only the opening and the last byte are at hand.
 * `kind`, `id` and `address` mean what the protocol that measured it says. */
struct message {
    const char *head, *payload;
    uint32_t head_bytes, payload_bytes, tail_bytes, here_bytes;
    uint32_t address_at, address_bytes;
    uint64_t id;
    uint8_t kind;
    char last;
};

/* Pre-encoded frames, sent round and round: the emitter never copies a payload. */
struct ring {
    char *bytes;
    size_t length, frame_bytes;
    uint64_t queued, sent;
};

struct peer {
    int descriptor, position;
    enum role role;
    bool dirty, wants_write;
    bool enveloped;  /* what is queued goes into envelopes, which the protocol seals before each write */
    bool unsealed;   /* an envelope is open; it begins at sealed_end */
    uint8_t awaited; /* kind of the answer the peer waits for before it takes part; 0 when it came */
    char address[ADDRESS_BYTES + 1];
    char *out;
    size_t out_start, out_end, out_capacity, sealed_end;
    struct ring *ring;
    uint64_t expected;
    uint64_t envelope_left;
    uint64_t skip;
    struct message held;
    char held_bytes[HELD_BYTES + OPENING_BYTES];
    size_t carried;
    char carry[CARRY_BYTES];
};

/* An invalid run prints its reason in place of a figure. */
void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...);

uint64_t now_ns(void);

/* Opens the loop; `dial` connects to tcp://, ws:// or unix: and adds the connection to it. */
void open_loop(void);
struct peer *dial(const char *url);

/* Room for so many bytes at the end of what will be written; `append` fills it. */
char *reserve(struct peer *peer, size_t wanted);
char *reserve_bare(struct peer *peer, size_t wanted);
void append(struct peer *peer, const char *bytes, size_t length);
void append_text(struct peer *peer, const char *text);
void mark_dirty(struct peer *peer);
void flush_dirty(void);

/* Cuts messages out of `bytes` and returns how many bytes were used; the rest is an unfinished message. */
size_t cut(struct peer *peer, const char *bytes, size_t length);

/* One wake of the loop: read everything that is ready, then one write per connection. */
void turn(int timeout_ms);

/* Turns the loop until an answer of this kind (not 0) was noted for the peer; others do not count. */
void await_answer(struct peer *peer, uint8_t kind);
void note_answer(struct peer *peer, uint8_t kind);

#endif
