/* Commands, jobs, events, durable writes and watches as workloads: who joins, what is sent next, and the checks of all that comes back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"
#include "workloads.h"

#define SUBJECT "bench.event"
#define FILLER 'x'
#define KEYS_PER_WRITER 100
#define WATCHED "watched"

/* One command under way: its id says which slot it is, so replies may come in any order. */
struct slot {
    uint64_t id, started_ns;
    int left; /* what must still happen: the reply; of a job, that it was accepted and that it was run */
};

struct pair {
    struct peer *caller;
    struct slot *slots;
    char service[24];
};

/* Writes to keys of its own, one after the other, and each time another value. */
struct writer {
    struct peer *peer;
    uint64_t turn, started_ns;
};

uint64_t done;
int64_t outstanding, unanswered;
bool sending;

static struct pair *pairs;
static struct writer *writers;
static struct ring ring;
static uint32_t *awaited;       /* per slot of the window: listeners that have not had the event */
static uint64_t *published_ns;  /* per slot of the window: when it was published */
static struct peer *emitter;
static uint64_t published;
static bool is_watch, is_job;
static char *payload;
static unsigned addresses;

/* Eight characters of five bits each, from 0x60 on: no quote, no backslash, no control character. */
void write_mark(char *mark, uint64_t number) {
    for (int i = 0; i < MARK_BYTES; i++) mark[i] = (char)(0x60 | (number >> (5 * i) & 31));
}

uint64_t read_mark(const char *mark) {
    uint64_t number = 0;
    for (int i = 0; i < MARK_BYTES; i++) number |= (uint64_t)(mark[i] & 31) << (5 * i);
    return number;
}

size_t digits(uint64_t number) {
    size_t count = 1;
    while (number >= 10) number /= 10, count++;
    return count;
}

char *write_number(char *place, uint64_t number) {
    char *end = place + digits(number), *at = end;
    do *--at = (char)('0' + number % 10); while (number /= 10);
    return end;
}

void prepare_payload(void) {
    payload = malloc(options.payload_bytes);
    if (!payload) die("out of memory");
    memset(payload, FILLER, options.payload_bytes);
}

struct peer *join(enum role role, int position) {
    struct peer *peer = dial(options.url);
    peer->role = role;
    peer->position = position;
    snprintf(peer->address, sizeof peer->address, "r%06ux", addresses++ % 1000000);
    protocol->open(peer);
    return peer;
}

/* Size, mark and the rest: every byte when the whole payload is at hand, else its opening and its last. */
static void check_payload(const struct message *message, uint64_t number, const char *address) {
    char opening[OPENING_BYTES];
    uint32_t bytes = message->payload_bytes;
    if (bytes != options.payload_bytes)
        die("a payload of %u bytes came instead of %u", bytes, options.payload_bytes);
    write_mark(opening, number);
    memcpy(opening + MARK_BYTES, address, ADDRESS_BYTES);
    if (memcmp(message->payload, opening, OPENING_BYTES)) die("a payload came changed or out of order");
    if (bytes > OPENING_BYTES && message->last != FILLER) die("a payload came changed at its end");
    if (message->here_bytes == bytes && bytes <= CARRY_BYTES &&
        memcmp(message->payload + OPENING_BYTES, payload + OPENING_BYTES, bytes - OPENING_BYTES))
        die("a payload came changed");
}

static void start_call(struct pair *pair, int index) {
    struct slot *slot = &pair->slots[index];
    slot->id += (uint64_t)options.in_flight;
    write_mark(payload, slot->id);
    memcpy(payload + MARK_BYTES, pair->caller->address, ADDRESS_BYTES);
    slot->left = is_job ? 2 : 1;
    slot->started_ns = now_ns();
    protocol->request(pair->caller, pair->service, slot->id, payload, options.payload_bytes);
    outstanding++;
    unanswered += protocol->answers_per_message;
}

static void finish_part(struct pair *pair, uint64_t id) {
    int index = (int)(id % (uint64_t)options.in_flight);
    struct slot *slot = &pair->slots[index];
    if (slot->id != id || !slot->started_ns)
        die("something of id %" PRIu64 ", which nobody awaits", id);
    if (--slot->left) return;
    sample(slot->started_ns);
    slot->started_ns = 0;
    done++;
    outstanding--;
    if (sending) start_call(pair, index);
}

/* The service says back what it was told. */
void take_request(struct peer *peer, const struct message *message) {
    if (peer->role != ROLE_SERVICE) die("a command came to a peer that offers none");
    if (message->payload_bytes != options.payload_bytes)
        die("a command of %u bytes came instead of %u", message->payload_bytes, options.payload_bytes);
    check_payload(message, read_mark(message->payload), pairs[peer->position].caller->address);
    memcpy(payload, message->payload, OPENING_BYTES);
    protocol->reply(peer, message, payload, options.payload_bytes);
    unanswered += protocol->answers_per_message;
    if (is_job) finish_part(&pairs[peer->position], read_mark(message->payload));
}

void take_reply(struct peer *peer, uint64_t id, const struct message *message) {
    if (peer->role != ROLE_CALLER) die("a reply came to a peer that asks nothing");
    if (!is_job) check_payload(message, id, peer->address);
    finish_part(&pairs[peer->position], id);
}

/* An envelope takes copies; otherwise the ring itself is written. */
static void send_from_ring(uint64_t index) {
    const char *frame = ring.bytes + index * ring.frame_bytes;
    if (emitter->enveloped) {
        append(emitter, frame, ring.frame_bytes);
    } else {
        ring.queued += ring.frame_bytes;
        mark_dirty(emitter);
    }
}

/* Fills the window: the ring's next frame is free once every listener has had what it carried. */
void publish(void) {
    size_t mark_at = ring.frame_bytes - protocol->publication_tail_bytes - options.payload_bytes;
    while (sending) {
        uint64_t index = published % (uint64_t)options.window;
        if (awaited[index]) return;
        write_mark(ring.bytes + index * ring.frame_bytes + mark_at, published);
        awaited[index] = (uint32_t)options.listeners;
        published_ns[index] = now_ns();
        outstanding += options.listeners;
        unanswered += is_watch ? 1 : protocol->answers_per_message;
        published++;
        send_from_ring(index);
    }
}

void take_event(struct peer *peer, const struct message *message) {
    static const char address[ADDRESS_BYTES] = {FILLER, FILLER, FILLER, FILLER, FILLER, FILLER, FILLER, FILLER};
    if (peer->role != ROLE_LISTENER) die("an event came to a peer that does not listen");
    uint64_t index = peer->expected % (uint64_t)options.window;
    if (peer->expected >= published) die("an event came that was never published");
    check_payload(message, peer->expected++, address);
    done++;
    outstanding--;
    if (--awaited[index]) return;
    sample(published_ns[index]);
    publish();
}

void take_answer(struct peer *peer, uint64_t receivers) {
    uint64_t expected = peer->role == ROLE_EMITTER ? (uint64_t)options.listeners : 1;
    if (receivers != expected)
        die("a message went to %" PRIu64 " receivers instead of %" PRIu64, receivers, expected);
    unanswered--;
}

void take_delivery(struct peer *peer, const struct message *message) {
    if (message->payload_bytes < OPENING_BYTES) die("a payload of %u bytes came", message->payload_bytes);
    if (peer->role == ROLE_SERVICE) take_request(peer, message);
    else if (peer->role == ROLE_CALLER) take_reply(peer, read_mark(message->payload), message);
    else take_event(peer, message);
}

void prepare_call(void) {
    pairs = calloc((size_t)options.pairs, sizeof *pairs);
    if (!pairs) die("out of memory");
    for (int i = 0; i < options.pairs; i++) {
        struct pair *pair = &pairs[i];
        snprintf(pair->service, sizeof pair->service, options.pairs == 1 ? "echo" : "echo%d", i);
        if (is_job) protocol->provide_queue(join(ROLE_SERVICE, i), pair->service, options.in_flight);
        else protocol->provide(join(ROLE_SERVICE, i), pair->service);
        pair->caller = join(ROLE_CALLER, i);
        if (protocol->await_replies) protocol->await_replies(pair->caller);
        pair->slots = calloc((size_t)options.in_flight, sizeof *pair->slots);
        if (!pair->slots) die("out of memory");
        for (int k = 0; k < options.in_flight; k++) pair->slots[k].id = (uint64_t)k;
    }
}

void prepare_jobs(void) {
    if (!protocol->provide_queue) die("%s keeps no jobs", protocol->name);
    is_job = true;
    prepare_call();
}

void start_calls(void) {
    for (int i = 0; i < options.pairs; i++)
        for (int k = 0; k < options.in_flight; k++) start_call(&pairs[i], k);
}

static void start_set(struct writer *writer) {
    char key[32];
    snprintf(key, sizeof key, "bench/%d/%d", writer->peer->position, (int)(writer->turn % KEYS_PER_WRITER));
    write_mark(payload, writer->turn++);
    writer->started_ns = now_ns();
    protocol->set(writer->peer, key, payload, options.payload_bytes);
    outstanding++;
}

void take_kept(struct peer *peer) {
    if (is_watch) {
        unanswered--;
        return;
    }
    if (!writers) die("something was kept that nobody wrote");
    struct writer *writer = &writers[peer->position];
    if (!writer->started_ns) die("an answer came to a writer that awaits none");
    sample(writer->started_ns);
    writer->started_ns = 0;
    done++;
    outstanding--;
    if (sending) start_set(writer);
}

void prepare_set(void) {
    if (!protocol->set) die("%s writes nothing durable", protocol->name);
    writers = calloc((size_t)options.writers, sizeof *writers);
    if (!writers) die("out of memory");
    for (int i = 0; i < options.writers; i++) writers[i].peer = join(ROLE_CALLER, i);
}

void start_sets(void) {
    for (int i = 0; i < options.writers; i++) start_set(&writers[i]);
}

/* The frame of one slot of the window: an event, or a write to a key of its own. */
static size_t frame_of(char *place, int index) {
    char key[32];
    if (!is_watch) return protocol->publication(place, SUBJECT, payload, options.payload_bytes);
    snprintf(key, sizeof key, WATCHED "/%05d", index);
    return protocol->write(place, (uint64_t)index + 1, key, payload, options.payload_bytes);
}

void prepare_event(void) {
    for (int i = 0; i < options.listeners; i++) {
        if (is_watch) protocol->watch(join(ROLE_LISTENER, i), WATCHED);
        else protocol->subscribe(join(ROLE_LISTENER, i), SUBJECT);
    }
    emitter = join(ROLE_EMITTER, 0);
    ring.frame_bytes = frame_of(NULL, 0);
    ring.length = ring.frame_bytes * (size_t)options.window;
    ring.bytes = malloc(ring.length);
    awaited = calloc((size_t)options.window, sizeof *awaited);
    published_ns = calloc((size_t)options.window, sizeof *published_ns);
    if (!ring.bytes || !awaited || !published_ns) die("out of memory");
    for (int i = 0; i < options.window; i++) frame_of(ring.bytes + (size_t)i * ring.frame_bytes, i);
    if (!emitter->enveloped) emitter->ring = &ring;
}

void prepare_watch(void) {
    if (!protocol->watch) die("%s has nothing to watch", protocol->name);
    is_watch = true;
    prepare_event();
}
