/* What the load generator must know of a protocol to drive it, and what a protocol tells the workload. */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include "../peer.h"

/* Every payload is MARK (text that stands for a number: the id of a command, the place of an event in its order),
 * then ADDRESS_BYTES (the caller's address, or filler), then filler. A protocol without replies of its own finds
 * both there, so payloads have the same size and content in all of them. All is plain text, safe inside JSON. */
struct protocol {
    const char *name;
    /* Finds the parts of the message at message->head; false when `length` bytes are too few to tell. */
    bool (*measure)(const struct peer *peer, struct message *message, size_t length);
    /* Takes a message that is complete, or whose payload was counted. */
    void (*take)(struct peer *peer, const struct message *message);
    /* Introduces the peer; returns when it is welcome. The next three likewise. */
    void (*open)(struct peer *peer);
    void (*subscribe)(struct peer *peer, const char *subject);
    void (*provide)(struct peer *peer, const char *service);
    void (*await_replies)(struct peer *caller);
    /* Queue one command, its reply, and encode one event (and return its size; nowhere to is NULL). */
    void (*request)(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes);
    void (*reply)(struct peer *peer, const struct message *request, const char *payload, size_t bytes);
    size_t (*publication)(char *place, const char *subject, const char *payload, size_t bytes);
    /* Queues one durable write; NULL where there is none. Answers come in order. */
    void (*set)(struct peer *writer, const char *key, const char *value, size_t bytes);
    /* Watches all keys below a prefix; encodes one durable write as `publication` does an event. NULL likewise. */
    void (*watch)(struct peer *peer, const char *prefix);
    size_t (*write)(char *place, uint64_t id, const char *key, const char *value, size_t bytes);
    /* Offers a command whose calls are kept as jobs, so many at a time. NULL likewise. */
    void (*provide_queue)(struct peer *peer, const char *service, int concurrency);
    size_t publication_tail_bytes;
    /* Answers of the server to each message sent, beside its delivery. */
    int answers_per_message;
    /* Unpacks and packs envelopes around messages, where the protocol has them. */
    size_t (*unpack)(struct peer *peer, const char *bytes, size_t length);
    void (*seal)(struct peer *peer);
};

extern const struct protocol askr, askr_ws, nats, redis, mqtt, wamp;

/* The one this run speaks. */
extern const struct protocol *protocol;

/* What a protocol hands to the workload. */
void take_request(struct peer *peer, const struct message *message);
void take_reply(struct peer *peer, uint64_t id, const struct message *message);
void take_event(struct peer *peer, const struct message *message);

/* The server has kept a value. */
void take_kept(struct peer *peer);

/* The server answered a message that was sent: it went to so many receivers. */
void take_answer(struct peer *peer, uint64_t receivers);

/* For a protocol that knows deliveries only: the peer's role says what it is. */
void take_delivery(struct peer *peer, const struct message *message);

/* The number a mark stands for, and the mark of a number (40 bits). */
uint64_t read_mark(const char *mark);
void write_mark(char *mark, uint64_t number);

/* Decimal digits; returns where they end. */
char *write_number(char *place, uint64_t number);
size_t digits(uint64_t number);

#endif
