/* RESP3 of Redis: commands and replies are messages on two channels, the service's and the caller's. The id and
 * the caller's channel are the payload's first 16 bytes, so a payload is as long as in the other protocols. */
#include <stdio.h>
#include <string.h>

#include "protocol.h"

#define CRLF_BYTES 2
#define PUSH ">3\r\n$7\r\nmessage\r\n$"
#define PUSH_BYTES (sizeof PUSH - 1)
#define PUBLISH "*3\r\n$7\r\nPUBLISH\r\n$"
#define PUBLISH_BYTES (sizeof PUBLISH - 1)

enum { VALUE_NUMBER = 1, VALUE_OTHER, VALUE_ERROR, VALUE_MESSAGE, VALUE_PUSH, VALUE_STATUS };

/* The number at `at` and its line's end; 0 when the line is not complete. */
static size_t read_line(const char *bytes, size_t at, size_t length, uint64_t *number) {
    *number = 0;
    for (; at < length && bytes[at] != '\n'; at++)
        if (bytes[at] >= '0' && bytes[at] <= '9') *number = *number * 10 + (uint64_t)(bytes[at] - '0');
    return at < length ? at + 1 : 0;
}

/* Where the value that begins at `at` ends; 0 when it is not complete. */
static size_t end_of_value(const char *bytes, size_t at, size_t length) {
    uint64_t count;
    if (at >= length) return 0;
    char type = bytes[at];
    at = read_line(bytes, at, length, &count);
    if (!at) return 0;
    if (type == '$' || type == '=') {
        at += count + CRLF_BYTES;
        return at <= length ? at : 0;
    }
    if (!strchr("*>~%", type)) return at;
    for (count *= type == '%' ? 2 : 1; count && at; count--) at = end_of_value(bytes, at, length);
    return at;
}

static bool measure_other(struct message *message, size_t length) {
    const char *bytes = message->head;
    size_t end = bytes[0] == ':' ? read_line(bytes, 0, length, &message->id) : end_of_value(bytes, 0, length);
    message->head_bytes = (uint32_t)end;
    message->kind = bytes[0] == ':' ? VALUE_NUMBER : bytes[0] == '-' ? VALUE_ERROR
                  : bytes[0] == '>' ? VALUE_PUSH : bytes[0] == '+' ? VALUE_STATUS : VALUE_OTHER;
    return end > 0;
}

static bool measure(const struct peer *peer, struct message *message, size_t length) {
    const char *bytes = message->head;
    uint64_t count;
    (void)peer;
    if (bytes[0] != '>') return measure_other(message, length);
    if (length < PUSH_BYTES) return false;
    if (memcmp(bytes, PUSH, PUSH_BYTES)) return measure_other(message, length);
    size_t at = read_line(bytes, PUSH_BYTES, length, &count);
    if (!at || at + count + CRLF_BYTES >= length) return false;
    at = read_line(bytes, at + count + CRLF_BYTES, length, &count);
    message->kind = VALUE_MESSAGE;
    message->head_bytes = (uint32_t)at;
    message->payload_bytes = (uint32_t)count;
    message->tail_bytes = CRLF_BYTES;
    return at > 0;
}

static void take(struct peer *peer, const struct message *message) {
    switch (message->kind) {
    case VALUE_MESSAGE:
        take_delivery(peer, message);
        return;
    case VALUE_STATUS:
        take_kept(peer);
        return;
    case VALUE_NUMBER:
        take_answer(peer, message->id);
        return;
    case VALUE_ERROR:
        die("the server answered: %.*s", (int)message->head_bytes - CRLF_BYTES, message->head + 1);
    default:
        note_answer(peer, message->kind);
    }
}

static void open_redis(struct peer *peer) {
    append_text(peer, "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    await_answer(peer, VALUE_OTHER);
}

static void subscribe(struct peer *peer, const char *channel) {
    char words[128];
    snprintf(words, sizeof words, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(channel), channel);
    append_text(peer, words);
    await_answer(peer, VALUE_PUSH);
}

static void provide(struct peer *peer, const char *service) {
    subscribe(peer, service);
}

static void await_replies(struct peer *caller) {
    subscribe(caller, caller->address);
}

static char *write_bulk(char *at, const char *bytes, size_t length) {
    at = write_number(at, length);
    *at++ = '\r';
    *at++ = '\n';
    memcpy(at, bytes, length);
    at += length;
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

static size_t publish_bytes(size_t channel_bytes, size_t bytes) {
    return PUBLISH_BYTES + digits(channel_bytes) + channel_bytes + 1 + digits(bytes) + bytes +
           4 * CRLF_BYTES;
}

static void write_publish(char *at, const char *channel, size_t channel_bytes, const char *payload,
                          size_t bytes) {
    memcpy(at, PUBLISH, PUBLISH_BYTES);
    at = write_bulk(at + PUBLISH_BYTES, channel, channel_bytes);
    *at++ = '$';
    write_bulk(at, payload, bytes);
}

static void queue(struct peer *peer, const char *channel, size_t channel_bytes, const char *payload,
                  size_t bytes) {
    char *place = reserve(peer, publish_bytes(channel_bytes, bytes));
    write_publish(place, channel, channel_bytes, payload, bytes);
}

static void request(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes) {
    (void)id;
    queue(caller, service, strlen(service), payload, bytes);
}

static void reply(struct peer *peer, const struct message *request, const char *payload, size_t bytes) {
    queue(peer, request->payload + MARK_BYTES, ADDRESS_BYTES, payload, bytes);
}

static size_t publication(char *place, const char *subject, const char *payload, size_t bytes) {
    if (place) write_publish(place, subject, strlen(subject), payload, bytes);
    return publish_bytes(strlen(subject), bytes);
}

static void set(struct peer *writer, const char *key, const char *value, size_t bytes) {
    static const char words[] = "*3\r\n$3\r\nSET\r\n$";
    size_t opening_bytes = sizeof words - 1, key_bytes = strlen(key);
    char *at = reserve(writer, opening_bytes + digits(key_bytes) + key_bytes + 1 + digits(bytes) + bytes +
                                   4 * CRLF_BYTES);
    memcpy(at, words, opening_bytes);
    at = write_bulk(at + opening_bytes, key, key_bytes);
    *at++ = '$';
    write_bulk(at, value, bytes);
}

const struct protocol redis = {
    .name = "redis", .measure = measure, .take = take, .open = open_redis, .subscribe = subscribe,
    .provide = provide, .await_replies = await_replies, .request = request, .reply = reply,
    .publication = publication, .set = set, .publication_tail_bytes = CRLF_BYTES, .answers_per_message = 1,
};
