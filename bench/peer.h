/* One connection of the load generator: dial, queue frames, write once per loop, cut frames out of reads. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frames.h"

#define CARRY_BYTES 4096
#define CHUNK_BYTES (512 * 1024)
#define MARK_BYTES 8
#define PEERS_MAX 4096
#define WAKE_MAX 512

/* Pre-encoded frames, sent round and round: the emitter never copies a payload. */
struct ring {
    char *bytes;
    size_t length, frame_bytes;
    uint64_t queued, sent;
};

struct peer {
    int descriptor;
    int position;
    bool dirty, wants_write;
    char *out;
    size_t out_start, out_end, out_capacity;
    struct ring *ring;
    char carry[CARRY_BYTES];
    size_t carried;
    uint64_t skip;
    struct frame skipped;
    char skipped_mark[MARK_BYTES];
    uint64_t expected;
    uint8_t last_kind;
    uint64_t last_id;
};

static int loop_descriptor = -1;
static struct peer *dirty_peers[PEERS_MAX];
static int dirty_count;

/* The workload's own reader; frames of the session family never reach it. */
static void take_frame(struct peer *peer, const struct frame *frame);

static void print_json_text(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') printf("\\%c", *c);
        else if (*c < 0x20 || *c > 0x7e) printf("\\u%04x", *c);
        else putchar(*c);
    }
    putchar('"');
}

/* An invalid run prints its reason in place of a figure. */
static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    printf("{\"ok\":false,\"error\":");
    print_json_text(text);
    printf("}\n");
    exit(1);
}

static void mark_dirty(struct peer *peer) {
    if (peer->dirty) return;
    peer->dirty = true;
    dirty_peers[dirty_count++] = peer;
}

static char *reserve(struct peer *peer, size_t wanted) {
    if (peer->out_start == peer->out_end) peer->out_start = peer->out_end = 0;
    if (peer->out_end + wanted > peer->out_capacity) {
        peer->out_capacity = (peer->out_end + wanted) * 2;
        peer->out = realloc(peer->out, peer->out_capacity);
        if (!peer->out) die("out of memory");
    }
    char *place = peer->out + peer->out_end;
    peer->out_end += wanted;
    mark_dirty(peer);
    return place;
}

static size_t frame_bytes(size_t name_bytes, size_t payload_bytes) {
    return sizeof(struct header) + name_bytes + payload_bytes;
}

static void encode(char *place, uint8_t kind, uint64_t id, const char *name, uint8_t coding,
                   const char *payload, size_t payload_bytes) {
    size_t name_bytes = strlen(name);
    struct header header = {
        .size = (uint32_t)(frame_bytes(name_bytes, payload_bytes) - sizeof(uint32_t)),
        .kind = kind, .name_length = (uint16_t)name_bytes, .id = id, .coding = coding,
    };
    memcpy(place, &header, sizeof header);
    memcpy(place + sizeof header, name, name_bytes);
    memcpy(place + sizeof header + name_bytes, payload, payload_bytes);
}

static void queue_frame(struct peer *peer, uint8_t kind, uint64_t id, const char *name,
                        uint8_t coding, const char *payload, size_t payload_bytes) {
    char *place = reserve(peer, frame_bytes(strlen(name), payload_bytes));
    encode(place, kind, id, name, coding, payload, payload_bytes);
}

static void watch_write(struct peer *peer, bool wanted) {
    if (peer->wants_write == wanted) return;
    peer->wants_write = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0), .data.ptr = peer};
    epoll_ctl(loop_descriptor, EPOLL_CTL_MOD, peer->descriptor, &event);
}

/* Writes what it can; false when the socket is full. */
static bool write_some(struct peer *peer, const char *bytes, size_t length, size_t *written) {
    ssize_t sent = send(peer->descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        die("the daemon closed a connection while it was written to: %s", strerror(errno));
    *written = sent < 0 ? 0 : (size_t)sent;
    return *written == length;
}

static bool flush_out(struct peer *peer) {
    size_t written;
    while (peer->out_start < peer->out_end) {
        size_t waiting = peer->out_end - peer->out_start;
        bool open = write_some(peer, peer->out + peer->out_start, waiting, &written);
        peer->out_start += written;
        if (!open) return false;
    }
    return true;
}

static bool flush_ring(struct peer *peer) {
    struct ring *ring = peer->ring;
    size_t written;
    while (ring->sent < ring->queued) {
        size_t at = ring->sent % ring->length, waiting = ring->queued - ring->sent;
        if (waiting > ring->length - at) waiting = ring->length - at;
        bool open = write_some(peer, ring->bytes + at, waiting, &written);
        ring->sent += written;
        if (!open) return false;
    }
    return true;
}

/* A frame of the ring that was begun goes first: nothing may stand inside a frame. */
static void flush_peer(struct peer *peer) {
    struct ring *ring = peer->ring;
    bool open = true;
    peer->dirty = false;
    if (ring && ring->sent % ring->frame_bytes) open = flush_ring(peer);
    if (open) open = flush_out(peer);
    if (open && ring) open = flush_ring(peer);
    watch_write(peer, !open);
}

static void flush_dirty(void) {
    for (int i = 0; i < dirty_count; i++) flush_peer(dirty_peers[i]);
    dirty_count = 0;
}

static void hand_over(struct peer *peer, const struct frame *frame) {
    peer->last_kind = frame->header.kind;
    peer->last_id = frame->header.id;
    switch (frame->header.kind) {
    case KIND_PING:
        queue_frame(peer, KIND_PONG, frame->header.id, "", CODING_NONE, "", 0);
        return;
    case KIND_ERROR:
    case KIND_FAIL:
    case KIND_BYE:
        die("the daemon answered with kind 0x%02x: %.*s", frame->header.kind,
            (int)frame->payload_here_bytes, frame->payload);
    default:
        take_frame(peer, frame);
    }
}

/* Cuts frames out of `bytes`; keeps the beginning of an unfinished one, or its mark and a count. */
static void parse(struct peer *peer, const char *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        if (peer->skip) {
            uint64_t take = peer->skip < length - at ? peer->skip : length - at;
            peer->skip -= take;
            at += take;
            if (!peer->skip) hand_over(peer, &peer->skipped);
            continue;
        }
        struct frame frame;
        if (length - at < sizeof frame.header) break;
        memcpy(&frame.header, bytes + at, sizeof frame.header);
        size_t total = (size_t)frame.header.size + sizeof(uint32_t);
        size_t head = sizeof frame.header + frame.header.stamp_length + frame.header.name_length;
        if (total < head || head + MARK_BYTES > CARRY_BYTES) die("a frame with impossible sizes");
        frame.payload = bytes + at + head;
        frame.payload_bytes = (uint32_t)(total - head);
        if (length - at >= total) {
            frame.payload_here_bytes = frame.payload_bytes;
            hand_over(peer, &frame);
            at += total;
            continue;
        }
        if (total <= CARRY_BYTES || length - at < head + MARK_BYTES) break;
        memcpy(peer->skipped_mark, frame.payload, MARK_BYTES);
        frame.payload = peer->skipped_mark;
        frame.payload_here_bytes = MARK_BYTES;
        peer->skipped = frame;
        peer->skip = total - (length - at);
        at = length;
    }
    peer->carried = length - at;
    memcpy(peer->carry, bytes + at, peer->carried);
}

static void read_peer(struct peer *peer) {
    static char chunk[CARRY_BYTES + CHUNK_BYTES];
    size_t carried = peer->carried;
    memcpy(chunk, peer->carry, carried);
    ssize_t got = recv(peer->descriptor, chunk + carried, CHUNK_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) die("the daemon closed a connection: %s", got ? strerror(errno) : "end of stream");
    parse(peer, chunk, carried + (size_t)got);
}

/* One wake of the loop: read everything that is ready, then one write per connection. */
static void turn(int timeout_ms) {
    struct epoll_event ready[WAKE_MAX];
    int count = epoll_wait(loop_descriptor, ready, WAKE_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct peer *peer = ready[i].data.ptr;
        if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_peer(peer);
        if (ready[i].events & EPOLLOUT) mark_dirty(peer);
    }
    flush_dirty();
}

static int dial_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die("the socket path is too long: %s", path);
    strcpy(address.sun_path, path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect to unix:%s: %s", path, strerror(errno));
    return descriptor;
}

static int dial_tcp(const char *host_and_port) {
    char host[256];
    const char *colon = strrchr(host_and_port, ':');
    if (!colon || (size_t)(colon - host_and_port) >= sizeof host) die("no port in the address");
    snprintf(host, sizeof host, "%.*s", (int)(colon - host_and_port), host_and_port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found)) die("cannot resolve %s", host);
    int descriptor = socket(found->ai_family, SOCK_STREAM, 0), one = 1;
    if (connect(descriptor, found->ai_addr, found->ai_addrlen) < 0)
        die("cannot connect to tcp://%s: %s", host_and_port, strerror(errno));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return descriptor;
}

static struct peer *dial(const char *url) {
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) die("out of memory");
    if (!strncmp(url, "unix://", 7)) peer->descriptor = dial_unix(url + 7);
    else if (!strncmp(url, "unix:", 5)) peer->descriptor = dial_unix(url + 5);
    else if (!strncmp(url, "tcp://", 6)) peer->descriptor = dial_tcp(url + 6);
    else die("an address begins with tcp:// or unix:, not %s", url);
    fcntl(peer->descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    epoll_ctl(loop_descriptor, EPOLL_CTL_ADD, peer->descriptor, &event);
    return peer;
}

#endif
