/* askr/1 in WebSocket messages: all frames of one wake are one masked binary message. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../frames.h"
#include "askr.h"

#define HEADER_BYTES_MAX 14
#define MASK_BYTES 4
#define MASKED 0x80
#define FIN 0x80
#define KEY_BYTES 24

enum opcode { BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { UPGRADED = 0xff };

/* A fresh mask for every message, out of a stock of the kernel's random bytes. */
static uint32_t fresh_mask(void) {
    static uint32_t stock[64];
    static size_t left;
    if (!left) {
        if (getrandom(stock, sizeof stock, 0) != sizeof stock) die("no random bytes");
        left = sizeof stock / sizeof *stock;
    }
    return stock[--left];
}

static void apply_mask(char *bytes, size_t length, uint32_t mask) {
    uint64_t wide = (uint64_t)mask << 32 | mask, word;
    size_t at = 0;
    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        word ^= wide;
        memcpy(bytes + at, &word, sizeof word);
    }
    for (; at < length; at++) bytes[at] ^= ((const char *)&mask)[at % MASK_BYTES];
}

static size_t write_header(char *at, enum opcode opcode, size_t length, uint32_t mask) {
    size_t size_bytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
    at[0] = (char)(FIN | opcode);
    at[1] = (char)(MASKED | (size_bytes == 0 ? length : size_bytes == 2 ? 126 : 127));
    for (size_t i = 0; i < size_bytes; i++) at[2 + i] = (char)(length >> 8 * (size_bytes - 1 - i));
    memcpy(at + 2 + size_bytes, &mask, MASK_BYTES);
    return 2 + size_bytes + MASK_BYTES;
}

/* Closes the open message: the header moves up to its payload, or the payload down to what waits before it. */
static void seal(struct peer *peer) {
    char header[HEADER_BYTES_MAX], *begin = peer->out + peer->sealed_end;
    char *body = begin + HEADER_BYTES_MAX;
    size_t length = (size_t)(peer->out + peer->out_end - body);
    uint32_t mask = fresh_mask();
    apply_mask(body, length, mask);
    size_t header_bytes = write_header(header, BINARY, length, mask), hole = HEADER_BYTES_MAX - header_bytes;
    if (peer->out_start == peer->sealed_end) {
        peer->out_start += hole;
        begin += hole;
    } else if (hole) {
        memmove(body - hole, body, length);
        peer->out_end -= hole;
    }
    memcpy(begin, header, header_bytes);
    peer->unsealed = false;
}

static void queue_control(struct peer *peer, enum opcode opcode, const char *body, size_t length) {
    if (peer->unsealed) seal(peer);
    char *place = reserve_bare(peer, 2 + MASK_BYTES + length);
    uint32_t mask = fresh_mask();
    size_t header_bytes = write_header(place, opcode, length, mask);
    memcpy(place + header_bytes, body, length);
    apply_mask(place + header_bytes, length, mask);
}

/* The answer to the handshake; 0 while it is not complete. */
static size_t take_upgrade(struct peer *peer, const char *bytes, size_t length) {
    static const char wanted[] = "HTTP/1.1 101";
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end + 4 - bytes);
    if (head < sizeof wanted || memcmp(bytes, wanted, sizeof wanted - 1))
        die("the daemon refused the WebSocket: %.*s", (int)strcspn(bytes, "\r"), bytes);
    if (!memmem(bytes, head, "askr.1\r\n", 8)) die("the daemon did not agree to the subprotocol askr.1");
    note_answer(peer, UPGRADED);
    peer->enveloped = true;
    return head;
}

/* Reads one frame's header, and all of a control frame; 0 while that is not complete. */
static size_t take_header(struct peer *peer, const char *text, size_t length) {
    const unsigned char *bytes = (const unsigned char *)text;
    if (length < 2) return 0;
    size_t size_bytes = bytes[1] < 126 ? 0 : bytes[1] == 126 ? 2 : 8, head = 2 + size_bytes;
    if (bytes[1] & MASKED) die("the daemon masked a WebSocket frame");
    if (!(bytes[0] & FIN)) die("the daemon cut a WebSocket message into fragments");
    if (length < head) return 0;
    uint64_t size = size_bytes ? 0 : bytes[1];
    for (size_t i = 0; i < size_bytes; i++) size = size << 8 | bytes[2 + i];
    enum opcode opcode = bytes[0] & 15;
    if (opcode == BINARY) {
        peer->envelope_left = size;
        return head;
    }
    if (length < head + size) return 0;
    if (opcode == CLOSE) die("the daemon closed a WebSocket: %d", size < 2 ? 0 : bytes[head] << 8 | bytes[head + 1]);
    if (opcode == PING) queue_control(peer, PONG, text + head, size);
    else if (opcode != PONG) die("the daemon sent a WebSocket frame of kind %d", opcode);
    return head + size;
}

/* What is left of a message counts bytes that no frame has taken yet, those that are carried included. */
static size_t unpack(struct peer *peer, const char *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        if (!peer->enveloped || !peer->envelope_left) {
            size_t used = peer->enveloped ? take_header(peer, bytes + at, length - at)
                                          : take_upgrade(peer, bytes + at, length - at);
            if (!used) break;
            at += used;
            continue;
        }
        size_t here = length - at < peer->envelope_left ? length - at : peer->envelope_left;
        size_t used = cut(peer, bytes + at, here);
        if (used < here && here == peer->envelope_left) die("a WebSocket message ends inside a frame");
        at += used;
        peer->envelope_left -= used;
        if (used < here) break;
    }
    return at;
}

static void open_websocket(struct peer *peer) {
    char key[KEY_BYTES + 1], text[256];
    for (int i = 0; i < KEY_BYTES - 3; i++) key[i] = (char)('A' + fresh_mask() % 26);
    memcpy(key + KEY_BYTES - 3, "A==", 4);
    snprintf(text, sizeof text,
             "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
             "Sec-WebSocket-Protocol: askr.1\r\n\r\n", key);
    append_text(peer, text);
    await_answer(peer, UPGRADED);
    askr_introduce(peer);
}

const struct protocol askr_ws = {
    .name = "askr-ws", .measure = askr_measure, .take = askr_take, .open = open_websocket,
    .subscribe = askr_subscribe, .provide = askr_provide, .request = askr_request,
    .reply = askr_reply, .publication = askr_publication, .unpack = unpack, .seal = seal,
};
