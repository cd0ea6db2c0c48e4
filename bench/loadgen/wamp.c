/* WAMP over a raw socket with JSON, as Crossbar speaks it; the payload is the only argument, a string. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

#define PREFIX_BYTES 4
#define BODY_BYTES_MAX ((1u << 24) - 1)
#define TAIL "\"]]"
#define TAIL_BYTES (sizeof TAIL - 1)
#define LINE_BYTES 160

enum {
    GREETING = 1, WELCOME, ABORT, GOODBYE = 6, ERROR = 8, SUBSCRIBED = 33, EVENT = 36, RESULT = 50,
    REGISTERED = 65, INVOCATION = 68, SHOOK_HANDS = 200, PING = 201, PONG = 202,
};

static bool measure_body(struct message *message, const char *body, size_t here, size_t bytes) {
    size_t visible = here < bytes ? here : bytes, at = 0;
    if (visible < 6 && visible < bytes) return false;
    message->kind = (uint8_t)atoi(body + 1);
    if (message->kind != EVENT && message->kind != RESULT && message->kind != INVOCATION) {
        message->head_bytes = (uint32_t)(PREFIX_BYTES + bytes);
        return here >= bytes;
    }
    while (at < visible && body[at] != ',') at++;
    message->id = strtoull(body + at + 1, NULL, 10);
    const char *open = memmem(body + 1, visible - 1, "[\"", 2);
    if (!open && here < bytes) return false;
    if (!open) die("the server sent a message without the payload: %.*s", (int)visible, body);
    message->head_bytes = (uint32_t)(PREFIX_BYTES + (open + 2 - body));
    if (message->head_bytes + TAIL_BYTES > PREFIX_BYTES + bytes) die("the server sent a short message");
    message->payload_bytes = (uint32_t)(PREFIX_BYTES + bytes - message->head_bytes - TAIL_BYTES);
    message->tail_bytes = TAIL_BYTES;
    return true;
}

static bool measure(const struct peer *peer, struct message *message, size_t length) {
    const unsigned char *bytes = (const unsigned char *)message->head;
    if (length < PREFIX_BYTES) return false;
    (void)peer;
    if (bytes[0] == 0x7f) {
        message->kind = SHOOK_HANDS;
        message->head_bytes = PREFIX_BYTES;
        return true;
    }
    size_t size = (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    if (bytes[0]) {
        message->kind = bytes[0] == 1 ? PING : PONG;
        message->head_bytes = (uint32_t)(PREFIX_BYTES + size);
        return length >= PREFIX_BYTES + size;
    }
    return measure_body(message, message->head + PREFIX_BYTES, length - PREFIX_BYTES, size);
}

static void write_prefix(char *at, int type, size_t size) {
    at[0] = (char)type;
    at[1] = (char)(size >> 16);
    at[2] = (char)(size >> 8);
    at[3] = (char)size;
}

static void take(struct peer *peer, const struct message *message) {
    const char *body = message->head + PREFIX_BYTES;
    int body_bytes = (int)message->head_bytes - PREFIX_BYTES;
    switch (message->kind) {
    case EVENT:
        take_event(peer, message);
        return;
    case INVOCATION:
        take_request(peer, message);
        return;
    case RESULT:
        take_reply(peer, message->id, message);
        return;
    case PING: {
        char *place = reserve(peer, message->head_bytes);
        memcpy(place, message->head, message->head_bytes);
        place[0] = 2;
        return;
    }
    case SHOOK_HANDS:
        if ((message->head[1] & 15) != 1) die("the server does not speak WAMP in JSON on this socket");
        break;
    case ABORT:
    case GOODBYE:
    case ERROR:
        die("the server answered: %.*s", body_bytes, body);
    }
    note_answer(peer, message->kind);
}

static void queue_text(struct peer *peer, const char *text) {
    size_t bytes = strlen(text);
    char *place = reserve(peer, PREFIX_BYTES + bytes);
    write_prefix(place, 0, bytes);
    memcpy(place + PREFIX_BYTES, text, bytes);
}

static void open_wamp(struct peer *peer) {
    static const char greeting[] = {0x7f, (char)0xf1, 0, 0};
    append(peer, greeting, sizeof greeting);
    await_answer(peer, SHOOK_HANDS);
    queue_text(peer, "[1,\"realm1\",{\"authmethods\":[\"anonymous\"],\"roles\":{\"caller\":{},\"callee\":{},"
                     "\"publisher\":{},\"subscriber\":{}}}]");
    await_answer(peer, WELCOME);
}

static void subscribe(struct peer *peer, const char *subject) {
    char text[LINE_BYTES];
    snprintf(text, sizeof text, "[32,1,{},\"%s\"]", subject);
    queue_text(peer, text);
    await_answer(peer, SUBSCRIBED);
}

static void provide(struct peer *peer, const char *service) {
    char text[LINE_BYTES];
    snprintf(text, sizeof text, "[64,1,{},\"%s.run\"]", service);
    queue_text(peer, text);
    await_answer(peer, REGISTERED);
}

/* `head` is the message up to its payload. */
static void write_message(char *at, const char *head, size_t head_bytes, const char *payload, size_t bytes) {
    size_t size = head_bytes + bytes + TAIL_BYTES;
    if (size > BODY_BYTES_MAX) die("the payload is too large for this protocol");
    write_prefix(at, 0, size);
    memcpy(at + PREFIX_BYTES, head, head_bytes);
    memcpy(at + PREFIX_BYTES + head_bytes, payload, bytes);
    memcpy(at + PREFIX_BYTES + head_bytes + bytes, TAIL, TAIL_BYTES);
}

static void queue(struct peer *peer, const char *head, int head_bytes, const char *payload, size_t bytes) {
    char *place = reserve(peer, PREFIX_BYTES + (size_t)head_bytes + bytes + TAIL_BYTES);
    write_message(place, head, (size_t)head_bytes, payload, bytes);
}

static void request(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes) {
    char head[LINE_BYTES];
    int head_bytes = snprintf(head, sizeof head, "[48,%llu,{},\"%s.run\",[\"", (unsigned long long)id, service);
    queue(caller, head, head_bytes, payload, bytes);
}

static void reply(struct peer *peer, const struct message *request, const char *payload, size_t bytes) {
    char head[LINE_BYTES];
    int head_bytes = snprintf(head, sizeof head, "[70,%llu,{},[\"", (unsigned long long)request->id);
    queue(peer, head, head_bytes, payload, bytes);
}

/* Nobody answers a publication, so that all of them may have the same request id. */
static size_t publication(char *place, const char *subject, const char *payload, size_t bytes) {
    char head[LINE_BYTES];
    int head_bytes = snprintf(head, sizeof head, "[16,1,{},\"%s\",[\"", subject);
    if (place) write_message(place, head, (size_t)head_bytes, payload, bytes);
    return PREFIX_BYTES + (size_t)head_bytes + bytes + TAIL_BYTES;
}

const struct protocol wamp = {
    .name = "wamp", .measure = measure, .take = take, .open = open_wamp, .subscribe = subscribe,
    .provide = provide, .request = request, .reply = reply, .publication = publication,
    .publication_tail_bytes = TAIL_BYTES,
};
