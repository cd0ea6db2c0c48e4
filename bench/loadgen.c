/* Load generator: drives one workload over one protocol and prints one JSON line about it.
 *
 *   loadgen [--protocol NAME] --url URL call  [--pairs N] [--in-flight N] [--payload BYTES]
 *   loadgen [--protocol NAME] --url URL event [--listeners N] [--window N] [--payload BYTES]
 *   loadgen [--protocol NAME] --url URL set   [--writers N] [--payload BYTES]
 *   loadgen [--protocol NAME] --url URL watch [--listeners N] [--window N] [--payload BYTES]
 *   loadgen [--protocol NAME] --url URL job   [--in-flight N] [--payload BYTES]
 *   loadgen [--protocol NAME] --url URL idle  [--connections N]
 *   for all: [--pid PID]... [--warm-up-ms N] [--ms N] [--count N]
 *
 * NAME is askr (the default), askr-ws, nats, redis, mqtt or wamp. One thread, epoll, one write per connection
 * and wake. Everything received is checked: ids, order, sizes, content, and that nothing is missing when the run
 * ends. README.md says what the figures mean.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "loadgen/protocol.h"
#include "loadgen/workloads.h"

#define PAYLOAD_BYTES_MAX (8 << 20)

struct options options = {
    .pairs = 1, .in_flight = 1, .listeners = 1, .writers = 1, .window = 1, .connections = 1000,
    .payload_bytes = 128, .count_max = 50000000, .warm_up_seconds = 0.25, .seconds = 1.0,
};
const struct protocol *protocol = &askr;

static const struct protocol *const protocols[] = {&askr, &askr_ws, &nats, &redis, &mqtt, &wamp};

static const struct protocol *find_protocol(const char *name) {
    for (size_t i = 0; name && i < sizeof protocols / sizeof *protocols; i++)
        if (!strcmp(protocols[i]->name, name)) return protocols[i];
    die("--protocol is one of askr, askr-ws, nats, redis, mqtt, wamp");
}

static long number(const char *option, const char *text, long low, long high) {
    char *end;
    long value = text ? strtol(text, &end, 10) : low - 1;
    if (!text || *end || value < low || value > high)
        die("%s takes a number from %ld to %ld", option, low, high);
    return value;
}

static void add_pid(const char *text) {
    if (options.pid_count == PIDS_MAX) die("--pid may be given %d times", PIDS_MAX);
    options.pids[options.pid_count++] = (int)number("--pid", text, 1, 1 << 30);
}

static void read_options(int count, char **words) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *next = i + 1 < count ? words[i + 1] : NULL;
        if (word[0] != '-') { options.workload = word; continue; }
        i++;
        if (!strcmp(word, "--url")) options.url = next;
        else if (!strcmp(word, "--protocol")) protocol = find_protocol(next);
        else if (!strcmp(word, "--pid")) add_pid(next);
        else if (!strcmp(word, "--pairs")) options.pairs = (int)number(word, next, 1, PEERS_MAX / 2);
        else if (!strcmp(word, "--in-flight")) options.in_flight = (int)number(word, next, 1, IN_FLIGHT_MAX);
        else if (!strcmp(word, "--listeners")) options.listeners = (int)number(word, next, 1, PEERS_MAX - 1);
        else if (!strcmp(word, "--writers")) options.writers = (int)number(word, next, 1, PEERS_MAX - 1);
        else if (!strcmp(word, "--window")) options.window = (int)number(word, next, 1, 10000);
        else if (!strcmp(word, "--connections")) options.connections = (int)number(word, next, 1, PEERS_MAX - 1);
        else if (!strcmp(word, "--payload")) options.payload_bytes = (uint32_t)number(word, next, OPENING_BYTES, PAYLOAD_BYTES_MAX);
        else if (!strcmp(word, "--count")) options.count_max = (uint64_t)number(word, next, 1, 1L << 40);
        else if (!strcmp(word, "--warm-up-ms")) options.warm_up_seconds = (double)number(word, next, 1, 60000) / 1e3;
        else if (!strcmp(word, "--ms")) options.seconds = (double)number(word, next, 1, 60000) / 1e3;
        else die("unknown option %s", word);
    }
    options.protocol = protocol->name;
    if (!options.url || !options.workload) die("usage: loadgen [--protocol NAME] --url URL call|event|set|watch|job|idle [options]");
}

/* One connection is one file. */
static void raise_file_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int count, char **words) {
    read_options(count, words);
    raise_file_limit();
    open_loop();
    prepare_payload();
    if (!strcmp(options.workload, "idle")) {
        measure_idle();
    } else if (!strcmp(options.workload, "call")) {
        prepare_call();
        measure(start_calls);
    } else if (!strcmp(options.workload, "event")) {
        prepare_event();
        measure(publish);
    } else if (!strcmp(options.workload, "set")) {
        prepare_set();
        measure(start_sets);
    } else if (!strcmp(options.workload, "watch")) {
        prepare_watch();
        measure(publish);
    } else if (!strcmp(options.workload, "job")) {
        prepare_jobs();
        measure(start_calls);
    } else {
        die("no workload is called %s: call, event, set, watch, job or idle", options.workload);
    }
    return 0;
}
