/* askr/1 in binary frames, bare on a socket. */
#include <stdio.h>
#include <string.h>

#include "../frames.h"
#include "askr.h"

static size_t frame_bytes(size_t name_bytes, size_t payload_bytes) {
    return sizeof(struct header) + name_bytes + payload_bytes;
}

/* Writes all but the payload, and returns where that goes. */
static char *encode(char *place, uint8_t kind, uint64_t id, const char *name, size_t name_bytes,
                    uint8_t coding, size_t payload_bytes) {
    struct header header = {
        .size = (uint32_t)(frame_bytes(name_bytes, payload_bytes) - sizeof(uint32_t)),
        .kind = kind, .name_length = (uint16_t)name_bytes, .id = id, .coding = coding,
    };
    memcpy(place, &header, sizeof header);
    memcpy(place + sizeof header, name, name_bytes);
    return place + sizeof header + name_bytes;
}

static void queue(struct peer *peer, uint8_t kind, uint64_t id, const char *name, uint8_t coding,
                  const char *payload, size_t bytes) {
    char *place = reserve(peer, frame_bytes(strlen(name), bytes));
    memcpy(encode(place, kind, id, name, strlen(name), coding, bytes), payload, bytes);
}

bool askr_measure(const struct peer *peer, struct message *message, size_t length) {
    struct header header;
    (void)peer;
    if (length < sizeof header) return false;
    memcpy(&header, message->head, sizeof header);
    size_t total = (size_t)header.size + sizeof(uint32_t);
    size_t head = sizeof header + header.stamp_length + header.name_length;
    if (header.flags & FLAG_OPTIONS) {
        uint16_t options_bytes;
        if (length < head + sizeof options_bytes) return false;
        memcpy(&options_bytes, message->head + head, sizeof options_bytes);
        head += sizeof options_bytes + options_bytes;
    }
    if (total < head) die("a frame with impossible sizes");
    message->kind = header.kind;
    message->id = header.flags & FLAG_KEPT ? 0 : header.id;
    message->head_bytes = (uint32_t)head;
    message->payload_bytes = (uint32_t)(total - head);
    return true;
}

void askr_take(struct peer *peer, const struct message *message) {
    switch (message->kind) {
    case KIND_CALL:
        take_request(peer, message);
        return;
    case KIND_REPLY:
        take_reply(peer, message->id, message);
        return;
    case KIND_EVENT:
        take_event(peer, message);
        return;
    case KIND_CHANGE:
        if (message->id) take_event(peer, message); /* else it was there before */
        return;
    case KIND_OK:
        take_kept(peer);
        return;
    case KIND_PING:
        queue(peer, KIND_PONG, message->id, "", CODING_NONE, "", 0);
        return;
    case KIND_ERROR:
    case KIND_FAIL:
    case KIND_BYE:
    case KIND_GAP:
        die("the daemon sent a frame of kind 0x%02x: %.*s", message->kind, (int)message->here_bytes,
            message->payload);
    default:
        note_answer(peer, message->kind);
    }
}

void askr_introduce(struct peer *peer) {
    static const char hello[] = "{\"v\":[1],\"name\":\"bench\"}";
    queue(peer, KIND_HELLO, 0, "", CODING_JSON, hello, strlen(hello));
    await_answer(peer, KIND_WELCOME);
}

static void open_askr(struct peer *peer) {
    append(peer, MAGIC, MAGIC_BYTES);
    askr_introduce(peer);
}

void askr_subscribe(struct peer *peer, const char *subject) {
    queue(peer, KIND_SUB, 1, subject, CODING_NONE, "", 0);
    await_answer(peer, KIND_SUBBED);
}

void askr_provide(struct peer *peer, const char *service) {
    char body[128];
    snprintf(body, sizeof body, "{\"service\":\"%s\",\"commands\":[{\"name\":\"run\"}]}", service);
    queue(peer, KIND_PROVIDE, 1, "", CODING_JSON, body, strlen(body));
    await_answer(peer, KIND_PROVIDED);
}

void askr_request(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes) {
    size_t service_bytes = strlen(service), name_bytes = service_bytes + 4;
    char *place = reserve(caller, frame_bytes(name_bytes, bytes)), name[32];
    memcpy(name, service, service_bytes);
    memcpy(name + service_bytes, ".run", 4);
    memcpy(encode(place, KIND_CALL, id, name, name_bytes, CODING_BYTES, bytes), payload, bytes);
}

void askr_reply(struct peer *peer, const struct message *request, const char *payload, size_t bytes) {
    queue(peer, KIND_REPLY, request->id, "", CODING_BYTES, payload, bytes);
}

size_t askr_publication(char *place, const char *subject, const char *payload, size_t bytes) {
    if (place)
        memcpy(encode(place, KIND_EMIT, 0, subject, strlen(subject), CODING_BYTES, bytes), payload, bytes);
    return frame_bytes(strlen(subject), bytes);
}

static void provide_queue(struct peer *peer, const char *service, int concurrency) {
    char body[160];
    snprintf(body, sizeof body,
             "{\"service\":\"%s\",\"commands\":[{\"name\":\"run\",\"queue\":true,\"concurrency\":%d}]}", service,
             concurrency);
    queue(peer, KIND_PROVIDE, 1, "", CODING_JSON, body, strlen(body));
    await_answer(peer, KIND_PROVIDED);
}

static void watch(struct peer *peer, const char *prefix) {
    queue(peer, KIND_WATCH, 1, prefix, CODING_NONE, "", 0);
    await_answer(peer, KIND_SYNCED);
}

static size_t write_of(char *place, uint64_t id, const char *key, const char *value, size_t bytes) {
    if (place)
        memcpy(encode(place, KIND_PUT, id, key, strlen(key), CODING_BYTES, bytes), value, bytes);
    return frame_bytes(strlen(key), bytes);
}

static void set(struct peer *writer, const char *key, const char *value, size_t bytes) {
    queue(writer, KIND_PUT, 1, key, CODING_BYTES, value, bytes);
}

const struct protocol askr = {
    .name = "askr", .measure = askr_measure, .take = askr_take, .open = open_askr,
    .subscribe = askr_subscribe, .provide = askr_provide, .request = askr_request,
    .reply = askr_reply, .publication = askr_publication, .set = set,
    .watch = watch, .write = write_of, .provide_queue = provide_queue,
};
