/* The text protocol of NATS: a reply goes to the inbox of its caller, whose last token is the command's id. */
#include <stdio.h>
#include <string.h>

#include "protocol.h"

#define INBOX "_INBOX."
#define INBOX_BYTES (sizeof INBOX - 1)
#define CRLF_BYTES 2
#define LINE_BYTES_MAX (HELD_BYTES - 1)

enum { LINE_OK = 1, LINE_INFO, LINE_PING, LINE_PONG, LINE_ERR, LINE_MSG };

static const char *end_of_line(const char *bytes, size_t length) {
    const char *end = memchr(bytes, '\n', length);
    return end;
}

static bool measure_line(struct message *message, size_t length) {
    const char *line = message->head, *end = end_of_line(line, length);
    if (!end) return false;
    message->head_bytes = (uint32_t)(end + 1 - line);
    switch (line[1]) {
    case 'O': message->kind = line[0] == '+' ? LINE_OK : LINE_PONG; break;
    case 'N': message->kind = LINE_INFO; break;
    case 'I': message->kind = LINE_PING; break;
    case 'E': message->kind = LINE_ERR; break;
    default: die("the server sent a line that is none: %.*s", (int)message->head_bytes, line);
    }
    return true;
}

/* MSG subject sid [reply-to] size. The address is the reply-to, or the subject where there is none. */
static bool measure(const struct peer *peer, struct message *message, size_t length) {
    const char *line = message->head;
    size_t token_at[5], tokens = 0, at = 4;
    (void)peer;
    if (length < 5) return false;
    if (line[0] != 'M') return measure_line(message, length);
    size_t limit = length < LINE_BYTES_MAX ? length : LINE_BYTES_MAX;
    for (token_at[tokens++] = at; at < limit && line[at] != '\n'; at++)
        if (line[at] == ' ' && tokens < 4) token_at[tokens++] = at + 1;
    if (at == limit) {
        if (limit == LINE_BYTES_MAX) die("the server sent a line that is too long");
        return false;
    }
    if (tokens < 3) die("the server sent a message without a size");
    uint32_t size = 0;
    for (const char *digit = line + token_at[tokens - 1]; *digit >= '0' && *digit <= '9'; digit++)
        size = size * 10 + (uint32_t)(*digit - '0');
    size_t address = tokens == 4 ? 2 : 0;
    message->kind = LINE_MSG;
    message->address_at = (uint32_t)token_at[address];
    message->address_bytes = (uint32_t)(token_at[address + 1] - token_at[address] - 1);
    message->head_bytes = (uint32_t)at + 1;
    message->payload_bytes = size;
    message->tail_bytes = CRLF_BYTES;
    return true;
}

/* The id of a command is the last token of the inbox its reply came to. */
static uint64_t read_id(const struct message *message) {
    const char *at = message->head + message->address_at, *end = at + message->address_bytes;
    uint64_t id = 0;
    for (at += INBOX_BYTES + ADDRESS_BYTES + 1; at < end; at++) id = id * 10 + (uint64_t)(*at - '0');
    return id;
}

static void take(struct peer *peer, const struct message *message) {
    switch (message->kind) {
    case LINE_MSG:
        if (message->payload_bytes < OPENING_BYTES) die("a payload of %u bytes came", message->payload_bytes);
        if (peer->role == ROLE_SERVICE) take_request(peer, message);
        else if (peer->role == ROLE_CALLER) take_reply(peer, read_id(message), message);
        else take_event(peer, message);
        return;
    case LINE_PING:
        append_text(peer, "PONG\r\n");
        return;
    case LINE_ERR:
        die("the server answered: %.*s", (int)message->head_bytes - CRLF_BYTES, message->head);
    default:
        note_answer(peer, message->kind);
    }
}

static void open_nats(struct peer *peer) {
    append_text(peer, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,"
                      "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1,\"echo\":true}\r\nPING\r\n");
    await_answer(peer, LINE_PONG);
}

static void subscribe(struct peer *peer, const char *subject) {
    char line[128];
    snprintf(line, sizeof line, "SUB %s 1\r\nPING\r\n", subject);
    append_text(peer, line);
    await_answer(peer, LINE_PONG);
}

static void provide(struct peer *peer, const char *service) {
    char subject[64];
    snprintf(subject, sizeof subject, "%s.run", service);
    subscribe(peer, subject);
}

static void await_replies(struct peer *caller) {
    char subject[64];
    snprintf(subject, sizeof subject, INBOX "%s.*", caller->address);
    subscribe(caller, subject);
}

static char *write_bytes(char *place, const char *bytes, size_t length) {
    memcpy(place, bytes, length);
    return place + length;
}

static char *finish(char *at, const char *payload, size_t bytes) {
    at = write_number(at, bytes);
    at = write_bytes(at, "\r\n", CRLF_BYTES);
    at = write_bytes(at, payload, bytes);
    return write_bytes(at, "\r\n", CRLF_BYTES);
}

static size_t body_bytes(size_t bytes) {
    return digits(bytes) + CRLF_BYTES + bytes + CRLF_BYTES;
}

static void request(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes) {
    size_t service_bytes = strlen(service);
    size_t inbox_bytes = INBOX_BYTES + ADDRESS_BYTES + 1 + digits(id);
    char *at = reserve(caller, 4 + service_bytes + 5 + inbox_bytes + 1 + body_bytes(bytes));
    at = write_bytes(at, "PUB ", 4);
    at = write_bytes(at, service, service_bytes);
    at = write_bytes(at, ".run " INBOX, 5 + INBOX_BYTES);
    at = write_bytes(at, caller->address, ADDRESS_BYTES);
    *at++ = '.';
    at = write_number(at, id);
    *at++ = ' ';
    finish(at, payload, bytes);
}

static void reply(struct peer *peer, const struct message *request, const char *payload, size_t bytes) {
    char *at = reserve(peer, 4 + request->address_bytes + 1 + body_bytes(bytes));
    at = write_bytes(at, "PUB ", 4);
    at = write_bytes(at, request->head + request->address_at, request->address_bytes);
    *at++ = ' ';
    finish(at, payload, bytes);
}

static size_t publication(char *place, const char *subject, const char *payload, size_t bytes) {
    size_t subject_bytes = strlen(subject);
    if (place) {
        char *at = write_bytes(place, "PUB ", 4);
        at = write_bytes(at, subject, subject_bytes);
        *at++ = ' ';
        finish(at, payload, bytes);
    }
    return 4 + subject_bytes + 1 + body_bytes(bytes);
}

const struct protocol nats = {
    .name = "nats", .measure = measure, .take = take, .open = open_nats, .subscribe = subscribe,
    .provide = provide, .await_replies = await_replies, .request = request, .reply = reply,
    .publication = publication, .publication_tail_bytes = CRLF_BYTES,
};
