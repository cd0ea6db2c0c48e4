/* The connections of the load generator: dial, queue, write once per wake, cut messages out of reads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

#define CHUNK_BYTES (512 * 1024)
#define WAKE_MAX 512
#define ENVELOPE_BYTES 14

static int loop_descriptor = -1;
static struct peer *dirty_peers[PEERS_MAX];
static int dirty_count;

static void print_json_text(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') printf("\\%c", *c);
        else if (*c < 0x20 || *c > 0x7e) printf("\\u%04x", *c);
        else putchar(*c);
    }
    putchar('"');
}

void die(const char *format, ...) {
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

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void mark_dirty(struct peer *peer) {
    if (peer->dirty) return;
    peer->dirty = true;
    dirty_peers[dirty_count++] = peer;
}

char *reserve_bare(struct peer *peer, size_t wanted) {
    if (peer->out_start == peer->out_end) peer->out_start = peer->out_end = peer->sealed_end = 0;
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

/* The first bytes of an envelope leave room for its header, the size of which is known when it is sealed. */
char *reserve(struct peer *peer, size_t wanted) {
    if (!peer->enveloped || peer->unsealed) return reserve_bare(peer, wanted);
    char *place = reserve_bare(peer, ENVELOPE_BYTES + wanted);
    peer->sealed_end = (size_t)(place - peer->out);
    peer->unsealed = true;
    return place + ENVELOPE_BYTES;
}

void append(struct peer *peer, const char *bytes, size_t length) {
    memcpy(reserve(peer, length), bytes, length);
}

void append_text(struct peer *peer, const char *text) {
    append(peer, text, strlen(text));
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
        die("the server closed a connection while it was written to: %s", strerror(errno));
    *written = sent < 0 ? 0 : (size_t)sent;
    return *written == length;
}

static bool flush_out(struct peer *peer) {
    size_t written;
    if (peer->unsealed) protocol->seal(peer);
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

void flush_dirty(void) {
    for (int i = 0; i < dirty_count; i++) flush_peer(dirty_peers[i]);
    dirty_count = 0;
}

/* Of a message too long to carry, keeps the head and the opening of the payload; the rest is counted away. */
static void hold(struct peer *peer, const struct message *message, size_t opening, size_t skip) {
    if (message->head_bytes > HELD_BYTES) die("the server sent a message that is too long");
    memcpy(peer->held_bytes, message->head, message->head_bytes + opening);
    peer->held = *message;
    peer->held.head = peer->held_bytes;
    peer->held.payload = peer->held_bytes + message->head_bytes;
    peer->held.here_bytes = (uint32_t)opening;
    peer->skip = skip;
}

static size_t skip_over(struct peer *peer, const char *bytes, size_t length) {
    size_t take = peer->skip < length ? peer->skip : length, tail = peer->held.tail_bytes;
    if (peer->skip > tail && peer->skip - take <= tail)
        peer->held.last = bytes[peer->skip - tail - 1];
    peer->skip -= take;
    if (!peer->skip) protocol->take(peer, &peer->held);
    return take;
}

size_t cut(struct peer *peer, const char *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        if (peer->skip) {
            at += skip_over(peer, bytes + at, length - at);
            continue;
        }
        struct message message = {.head = bytes + at};
        size_t here = length - at;
        if (!protocol->measure(peer, &message, here)) break;
        size_t total = (size_t)message.head_bytes + message.payload_bytes + message.tail_bytes;
        message.payload = message.head + message.head_bytes;
        if (here >= total) {
            message.here_bytes = message.payload_bytes;
            message.last = message.payload[(size_t)message.payload_bytes - (message.payload_bytes > 0)];
            protocol->take(peer, &message);
            at += total;
            continue;
        }
        size_t opening = message.payload_bytes < OPENING_BYTES ? message.payload_bytes : OPENING_BYTES;
        /* The last byte must still be to come, or it would not be seen. */
        if (total <= CARRY_BYTES || here < message.head_bytes + opening) break;
        if (total - here <= message.tail_bytes) message.last = message.payload[message.payload_bytes - 1];
        hold(peer, &message, opening, total - here);
        at = length;
    }
    return at;
}

static void read_peer(struct peer *peer) {
    static char chunk[CARRY_BYTES + CHUNK_BYTES + 1];
    size_t carried = peer->carried;
    if (carried) memcpy(chunk, peer->carry, carried);
    ssize_t got = recv(peer->descriptor, chunk + carried, CHUNK_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) die("the server closed a connection: %s", got ? strerror(errno) : "end of stream");
    size_t length = carried + (size_t)got;
    size_t used = protocol->unpack ? protocol->unpack(peer, chunk, length) : cut(peer, chunk, length);
    if (length - used > CARRY_BYTES) die("the server sent a message without an end");
    peer->carried = length - used;
    if (peer->carried) memcpy(peer->carry, chunk + used, peer->carried);
}

void turn(int timeout_ms) {
    struct epoll_event ready[WAKE_MAX];
    int count = epoll_wait(loop_descriptor, ready, WAKE_MAX, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct peer *peer = ready[i].data.ptr;
        if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_peer(peer);
        if (ready[i].events & EPOLLOUT) mark_dirty(peer);
    }
    flush_dirty();
}

void note_answer(struct peer *peer, uint8_t kind) {
    if (peer->awaited == kind) peer->awaited = 0;
}

void await_answer(struct peer *peer, uint8_t kind) {
    uint64_t deadline_ns = now_ns() + (uint64_t)(STALL_SECONDS * 1e9);
    peer->awaited = kind;
    flush_dirty();
    while (peer->awaited) {
        if (now_ns() > deadline_ns) die("no answer of kind 0x%02x came in time", kind);
        turn(100);
    }
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
    char host[256], port[16];
    const char *colon = strrchr(host_and_port, ':');
    if (!colon || (size_t)(colon - host_and_port) >= sizeof host) die("no port in the address");
    snprintf(host, sizeof host, "%.*s", (int)(colon - host_and_port), host_and_port);
    snprintf(port, sizeof port, "%.*s", (int)strcspn(colon + 1, "/"), colon + 1);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, port, &hints, &found)) die("cannot resolve %s", host);
    int descriptor = socket(found->ai_family, SOCK_STREAM, 0), one = 1;
    if (connect(descriptor, found->ai_addr, found->ai_addrlen) < 0)
        die("cannot connect to tcp://%s: %s", host_and_port, strerror(errno));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    freeaddrinfo(found);
    return descriptor;
}

void open_loop(void) {
    loop_descriptor = epoll_create1(0);
}

struct peer *dial(const char *url) {
    struct peer *peer = calloc(1, sizeof *peer);
    const char *rest = strstr(url, "://");
    if (!peer) die("out of memory");
    if (!strncmp(url, "unix://", 7)) peer->descriptor = dial_unix(url + 7);
    else if (!strncmp(url, "unix:", 5)) peer->descriptor = dial_unix(url + 5);
    else if (!strncmp(url, "tcp://", 6) || !strncmp(url, "ws://", 5)) peer->descriptor = dial_tcp(rest + 3);
    else die("an address begins with tcp://, ws:// or unix:, not %s", url);
    fcntl(peer->descriptor, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    epoll_ctl(loop_descriptor, EPOLL_CTL_ADD, peer->descriptor, &event);
    return peer;
}
