/* The parts of askr/1 that do not care whether frames travel bare or inside WebSocket messages. */
#ifndef BENCH_ASKR_H
#define BENCH_ASKR_H

#include "protocol.h"

bool askr_measure(const struct peer *peer, struct message *message, size_t length);
void askr_take(struct peer *peer, const struct message *message);
void askr_introduce(struct peer *peer);
void askr_subscribe(struct peer *peer, const char *subject);
void askr_provide(struct peer *peer, const char *service);
void askr_request(struct peer *caller, const char *service, uint64_t id, const char *payload, size_t bytes);
void askr_reply(struct peer *peer, const struct message *request, const char *payload, size_t bytes);
size_t askr_publication(char *place, const char *subject, const char *payload, size_t bytes);

#endif
