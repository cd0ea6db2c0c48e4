/* MQTT 3.1.1 with QoS 0: commands and replies are messages on two topics, the service's and the caller's. The id
 * and the caller's topic are the payload's first 16 bytes, so a payload is as long as in the other protocols. */
#include <string.h>

#include "protocol.h"

#define LENGTH_DIGITS_MAX 4

enum packet { CONNACK = 2, PUBLISH = 3, SUBACK = 9, PINGRESP = 13 };

static size_t length_bytes(size_t length) {
    size_t count = 1;
    while (length >>= 7) count++;
    return count;
}

/* Type and remaining length; returns where the rest begins. */
static char *write_fixed(char *at, uint8_t first, size_t rest) {
    *at++ = (char)first;
    for (; rest > 127; rest >>= 7) *at++ = (char)((rest & 127) | 128);
    *at++ = (char)rest;
    return at;
}

static char *write_text(char *at, const char *text, size_t length) {
    *at++ = (char)(length >> 8);
    *at++ = (char)length;
    memcpy(at, text, length);
    return at + length;
}

static bool measure(const struct peer *peer, struct message *message, size_t length) {
    const unsigned char *bytes = (const unsigned char *)message->head;
    size_t rest = 0, at = 1;
    (void)peer;
    for (int shift = 0;; shift += 7) {
        if (at == length) return false;
        if (at > LENGTH_DIGITS_MAX) die("the server sent a packet with an impossible length");
        rest |= (size_t)(bytes[at] & 127) << shift;
        if (bytes[at++] < 128) break;
    }
    message->kind = bytes[0] >> 4;
    if (message->kind != PUBLISH) {
        message->head_bytes = (uint32_t)(at + rest);
        return length >= at + rest;
    }
    if (length < at + 2) return false;
    size_t topic = (size_t)bytes[at] << 8 | bytes[at + 1];
    if (rest < 2 + topic) die("the server sent a packet with impossible sizes");
    message->head_bytes = (uint32_t)(at + 2 + topic);
    message->payload_bytes = (uint32_t)(rest - 2 - topic);
    return true;
}

static void take(struct peer *peer, const struct message *message) {
    const char *head = message->head;
    switch (message->kind) {
    case PUBLISH:
        take_delivery(peer, message);
        return;
    case CONNACK:
        if (head[message->head_bytes - 1]) die("the server refused a connection: %d", head[message->head_bytes - 1]);
        break;
    case SUBACK:
        if (head[message->head_bytes - 1] & 0x80) die("the server refused a subscription");
        break;
    }
    note_answer(peer, message->kind);
}

/* An empty client id with a clean session: the server chooses one. Keep alive 0 is off. */
static void open_mqtt(struct peer *peer) {
    static const char connect[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0};
    append(peer, connect, sizeof connect);
    await_answer(peer, CONNACK);
}

static void subscribe(struct peer *peer, const char *topic) {
    size_t topic_bytes = strlen(topic), rest = 2 + 2 + topic_bytes + 1;
    char *at = write_fixed(reserve(peer, 1 + length_bytes(rest) + rest), 0x82, rest);
    *at++ = 0;
    *at++ = 1;
    at = write_text(at, topic, topic_bytes);
    *at = 0;
    await_answer(peer, SUBACK);
}

static void provide(struct peer *peer, const char *service) {
    subscribe(peer, service);
}

static void await_replies(struct peer *caller) {
    subscribe(caller, caller->address);
}

static size_t publish_bytes(size_t topic_bytes, size_t bytes) {
    size_t rest = 2 + topic_bytes + bytes;
    return 1 + length_bytes(rest) + rest;
}

static void write_publish(char *at, const char *topic, size_t topic_bytes, const char *payload, size_t bytes) {
    at = write_fixed(at, PUBLISH << 4, 2 + topic_bytes + bytes);
    memcpy(write_text(at, topic, topic_bytes), payload, bytes);
}

static void queue(struct peer *peer, const char *topic, size_t topic_bytes, const char *payload, size_t bytes) {
    write_publish(reserve(peer, publish_bytes(topic_bytes, bytes)), topic, topic_bytes, payload, bytes);
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

const struct protocol mqtt = {
    .name = "mqtt", .measure = measure, .take = take, .open = open_mqtt, .subscribe = subscribe,
    .provide = provide, .await_replies = await_replies, .request = request, .reply = reply,
    .publication = publication,
};
