/* The floor: the least a relay between processes can do, as a bound for what any daemon could reach.
 *
 *   floor [--port PORT] [--unix PATH]      prints "ready PORT" when it listens
 *
 * It speaks just enough askr/1 for the load generator: hello, provide, sub, call, reply, emit. One thread, epoll,
 * one write per connection and wake. It has no checks, limits, deadlines, stamps, heartbeats or policies, trusts
 * every length it reads, and ends by a signal. Use it for nothing but comparison.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "frames.h"
#include "groups.h"

#define CHUNK_BYTES (256 * 1024)
#define DIRECT_BYTES 65536    /* a frame from this size on is written from where it was read */
#define WAKE_MAX 512

struct buffer {
    char *bytes;
    size_t start, end, capacity;
};

struct connection {
    int descriptor;
    bool greeted, dirty, wants_write;
    struct buffer in, out;
    struct connection *next_dirty;
};

/* A call under way: whose it is and under which id. Free ones are chained by `id`. */
struct pending {
    struct connection *caller;
    uint64_t id;
};

static int loop_descriptor;
static struct group *services[GROUP_BUCKETS], *subjects[GROUP_BUCKETS];
static struct pending *pending;
static size_t pending_count, pending_free = SIZE_MAX;
static struct connection *first_dirty;
static uint64_t sequence;

static char *room(struct buffer *buffer, size_t wanted) {
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
    if (buffer->end + wanted > buffer->capacity) {
        if (buffer->start) memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
        if (buffer->end + wanted > buffer->capacity) {
            buffer->capacity = (buffer->end + wanted) * 2;
            buffer->bytes = grow(buffer->bytes, buffer->capacity);
        }
    }
    return buffer->bytes + buffer->end;
}

static void mark_dirty(struct connection *to) {
    if (to->dirty) return;
    to->dirty = true;
    to->next_dirty = first_dirty;
    first_dirty = to;
}

static size_t write_some(struct connection *to, const char *bytes, size_t length) {
    ssize_t sent = send(to->descriptor, bytes, length, MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

/* Queues a frame; a large one is written at once where nothing waits before it. */
static void forward(struct connection *to, const char *frame, size_t bytes) {
    size_t sent = 0;
    if (to->descriptor < 0) return;
    if (bytes >= DIRECT_BYTES && to->out.start == to->out.end) sent = write_some(to, frame, bytes);
    if (sent == bytes) return;
    memcpy(room(&to->out, bytes - sent), frame + sent, bytes - sent);
    to->out.end += bytes - sent;
    mark_dirty(to);
}

static void answer(struct connection *to, uint8_t kind, uint64_t id, const char *json) {
    size_t bytes = strlen(json);
    struct header header = {
        .size = (uint32_t)(sizeof header - sizeof(uint32_t) + bytes), .kind = kind, .id = id,
        .coding = bytes ? CODING_JSON : CODING_NONE,
    };
    char *place = room(&to->out, sizeof header + bytes);
    memcpy(place, &header, sizeof header);
    memcpy(place + sizeof header, json, bytes);
    to->out.end += sizeof header + bytes;
    mark_dirty(to);
}

static void welcome(struct connection *to) {
    answer(to, KIND_WELCOME, 0,
           "{\"v\":1,\"id\":\"askr-bench-floor0\",\"instance\":\"floor0\",\"workspace\":\"askr\",\"daemon\":\"floor\","
           "\"epoch\":\"floor\",\"resume\":\"\",\"version\":\"0\",\"limits\":{\"payload_bytes_max\":8388608,"
           "\"frame_bytes_max\":8456192,\"commands_in_flight_max\":1000,\"subscriptions_max\":1000,"
           "\"heartbeat_after_ms\":10000}}");
}

static void provide(struct connection *from, const struct header *header, const char *body, size_t bytes) {
    static const char key[] = "\"service\":\"";
    const char *at = memmem(body, bytes, key, sizeof key - 1);
    if (!at) return;
    at += sizeof key - 1;
    const char *end = memchr(at, '"', (size_t)(body + bytes - at));
    if (!end) return;
    add_member(find_group(services, at, (size_t)(end - at), true), from);
    answer(from, KIND_PROVIDED, header->id, "{}");
}

static size_t take_slot(struct connection *caller, uint64_t id) {
    if (pending_free == SIZE_MAX) {
        size_t count = pending_count ? pending_count * 2 : 1024;
        pending = grow(pending, count * sizeof *pending);
        for (; pending_count < count; pending_count++) {
            pending[pending_count] = (struct pending){NULL, pending_free};
            pending_free = pending_count;
        }
    }
    size_t slot = pending_free;
    pending_free = pending[slot].id;
    pending[slot] = (struct pending){caller, id};
    return slot;
}

static void call(struct connection *from, struct header *header, char *frame, size_t bytes) {
    const char *name = frame + sizeof *header, *dot = memchr(name, '.', header->name_length);
    struct group *group = find_group(services, name, dot ? (size_t)(dot - name) : header->name_length, false);
    if (!group || !group->count) {
        answer(from, KIND_FAIL, header->id, "{\"code\":\"service_unknown\",\"message\":\"nobody offers it\"}");
        return;
    }
    struct connection *to = group->members[group->turn++ % group->count];
    header->id = take_slot(from, header->id) + 1;
    memcpy(frame, header, sizeof *header);
    forward(to, frame, bytes);
}

static void reply(struct header *header, char *frame, size_t bytes) {
    size_t slot = header->id - 1;
    if (slot >= pending_count || !pending[slot].caller) return;
    struct connection *to = pending[slot].caller;
    header->id = pending[slot].id;
    pending[slot] = (struct pending){NULL, pending_free};
    pending_free = slot;
    memcpy(frame, header, sizeof *header);
    forward(to, frame, bytes);
}

static void emit(struct header *header, char *frame, size_t bytes) {
    struct group *group = find_group(subjects, frame + sizeof *header, header->name_length, false);
    if (!group) return;
    header->kind = KIND_EVENT;
    header->id = ++sequence;
    memcpy(frame, header, sizeof *header);
    for (size_t i = 0; i < group->count; i++) forward(group->members[i], frame, bytes);
}

static size_t frame_total(const char *frame) {
    uint32_t size;
    memcpy(&size, frame, sizeof size);
    return (size_t)size + sizeof size;
}

static void take_frame(struct connection *from, char *frame, size_t bytes) {
    struct header header;
    memcpy(&header, frame, sizeof header);
    switch (header.kind) {
    case KIND_CALL: call(from, &header, frame, bytes); return;
    case KIND_REPLY:
    case KIND_FAIL: reply(&header, frame, bytes); return;
    case KIND_EMIT: emit(&header, frame, bytes); return;
    case KIND_HELLO: welcome(from); return;
    case KIND_PING: answer(from, KIND_PONG, header.id, ""); return;
    case KIND_PROVIDE: provide(from, &header, frame + sizeof header, bytes - sizeof header); return;
    case KIND_SUB:
        add_member(find_group(subjects, frame + sizeof header, header.name_length, true), from);
        answer(from, KIND_SUBBED, header.id, "");
        return;
    }
}

/* Forgets a peer. Its structure stays for good, as this wake may still name it: some bytes per connection. */
static void close_connection(struct connection *connection) {
    remove_member(services, connection);
    remove_member(subjects, connection);
    for (size_t i = 0; i < pending_count; i++) {
        if (pending[i].caller != connection) continue;
        pending[i] = (struct pending){NULL, pending_free};
        pending_free = i;
    }
    close(connection->descriptor);
    connection->descriptor = -1;
    free(connection->in.bytes);
    free(connection->out.bytes);
    connection->in = connection->out = (struct buffer){0};
}

static void keep(struct buffer *in, const char *bytes, size_t length) {
    memcpy(room(in, length), bytes, length);
    in->end += length;
}

/* Completes the frame a peer's own buffer begins; returns how many bytes of the chunk that took. */
static size_t complete(struct connection *from, const char *chunk, size_t length) {
    struct buffer *in = &from->in;
    size_t at = 0, wanted = sizeof(struct header);
    for (;;) {
        size_t take = in->end < wanted ? wanted - in->end : 0;
        if (take > length - at) take = length - at;
        if (take) keep(in, chunk + at, take);
        at += take;
        if (in->end < wanted) return at;
        size_t total = frame_total(in->bytes);
        if (in->end == total) break;
        wanted = total;
        room(in, total - in->end);
    }
    take_frame(from, in->bytes, in->end);
    in->start = in->end = 0;
    return at;
}

static void take_chunk(struct connection *from, char *chunk, size_t length) {
    size_t at = from->in.end ? complete(from, chunk, length) : 0;
    if (!from->greeted && at < length) {
        from->greeted = true;  /* the load generator writes it with its hello */
        at += MAGIC_BYTES;
    }
    while (length - at >= sizeof(struct header)) {
        size_t total = frame_total(chunk + at);
        if (length - at < total) break;
        take_frame(from, chunk + at, total);
        at += total;
    }
    if (at == length) return;
    keep(&from->in, chunk + at, length - at);
    if (length - at >= sizeof(struct header)) room(&from->in, frame_total(chunk + at) - (length - at));
}

/* Frames are taken where they were read: small ones in one chunk for all peers, a frame that did not fit in its
 * peer's own buffer, into which the rest of it is read, and only what follows goes to the chunk. */
static void read_connection(struct connection *from) {
    static char chunk[CHUNK_BYTES];
    struct buffer *in = &from->in;
    size_t rest = in->end >= sizeof(struct header) ? frame_total(in->bytes) - in->end : 0;
    struct iovec places[] = {{in->bytes + in->end, rest}, {chunk, sizeof chunk}};
    ssize_t got = rest ? readv(from->descriptor, places, 2) : recv(from->descriptor, chunk, sizeof chunk, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        close_connection(from);
        return;
    }
    size_t first = (size_t)got < rest ? (size_t)got : rest;
    in->end += first;
    take_chunk(from, chunk, (size_t)got - first);
}

static void flush(struct connection *to) {
    struct buffer *out = &to->out;
    to->dirty = false;
    if (to->descriptor < 0) return;
    if (out->start < out->end) out->start += write_some(to, out->bytes + out->start, out->end - out->start);
    bool waits = out->start < out->end;
    if (waits != to->wants_write) {
        struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = to};
        epoll_ctl(loop_descriptor, EPOLL_CTL_MOD, to->descriptor, &event);
        to->wants_write = waits;
    }
}

static void accept_all(int listener) {
    for (;;) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
        if (descriptor < 0) return;
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection) fail("memory");
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection->descriptor = descriptor;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(loop_descriptor, EPOLL_CTL_ADD, descriptor, &event);
    }
}

/* A listener is told from a connection by its place in this table. */
static int listeners[2];
static int listener_count;

static void listen_on(int descriptor, const struct sockaddr *address, socklen_t bytes) {
    if (descriptor < 0 || bind(descriptor, address, bytes) || listen(descriptor, 4096)) fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listeners[listener_count]};
    listeners[listener_count++] = descriptor;
    epoll_ctl(loop_descriptor, EPOLL_CTL_ADD, descriptor, &event);
}

static int listen_tcp(int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t bytes = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    listen_on(descriptor, (struct sockaddr *)&address, bytes);
    getsockname(descriptor, (struct sockaddr *)&address, &bytes);
    return ntohs(address.sin_port);
}

static void listen_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listen_on(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address, sizeof address);
}

/* One wake: everything that is ready is read, then each connection is written to once. */
static void turn(void) {
    struct epoll_event ready[WAKE_MAX];
    int count = epoll_wait(loop_descriptor, ready, WAKE_MAX, -1);
    for (int i = 0; i < count; i++) {
        void *what = ready[i].data.ptr;
        if (what == &listeners[0] || what == &listeners[1]) {
            accept_all(*(int *)what);
            continue;
        }
        if (ready[i].events & EPOLLOUT) mark_dirty(what);
        if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_connection(what);
    }
    while (first_dirty) {
        struct connection *to = first_dirty;
        first_dirty = to->next_dirty;
        flush(to);
    }
}

int main(int count, char **words) {
    struct rlimit files;
    int port = 0;
    const char *path = NULL;
    for (int i = 1; i < count; i++) {
        if (i + 1 < count && !strcmp(words[i], "--port")) port = atoi(words[++i]);
        else if (i + 1 < count && !strcmp(words[i], "--unix")) path = words[++i];
        else return fprintf(stderr, "usage: floor [--port PORT] [--unix PATH]\n"), 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    loop_descriptor = epoll_create1(0);
    if (path) listen_unix(path);
    printf("ready %d\n", listen_tcp(port));
    fflush(stdout);
    for (;;) turn();
}
