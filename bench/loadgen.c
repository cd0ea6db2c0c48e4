/* Load generator for askrd: drives one workload over askr/1 and prints one JSON line about it.
 *
 *   loadgen --url URL call  [--pairs N] [--in-flight N]
 *   loadgen --url URL event [--listeners N] [--window N] [--payload BYTES]
 *   loadgen --url URL idle  [--connections N]
 *
 * One thread, epoll, one write per connection and wake. Everything received is checked: ids, order,
 * sizes, and that nothing is missing when the run ends. README.md says what the figures mean.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <sys/resource.h>
#include <time.h>

#include "peer.h"

#define SUBJECT "bench.event"
#define FILLER 'x'
#define SAMPLES_MAX (1 << 20)
#define STALL_SECONDS 10.0
#define IN_FLIGHT_MAX 1000

struct options {
    const char *url, *workload;
    int pairs, in_flight, listeners, window, connections, daemon_pid;
    uint32_t payload_bytes;
    uint64_t count_max;
    double warm_up_seconds, seconds;
};

/* One command under way: its id says which slot it is, so replies may come in any order. */
struct slot {
    uint64_t id, started_ns;
};

struct pair {
    struct peer *caller;
    struct slot *slots;
    char name[32];
};

/* What a process used of a core, and how long it was kept waiting for one by others. */
struct share {
    uint64_t used_ns, waited_ns;
};

struct snapshot {
    uint64_t ns, done;
    struct share generator, daemon;
};

static struct options options = {
    .pairs = 1, .in_flight = 1, .listeners = 1, .window = 1, .connections = 1000,
    .payload_bytes = 128, .count_max = 50000000, .warm_up_seconds = 0.25, .seconds = 1.0,
};
static struct pair *pairs;
static struct ring ring;
static uint32_t *awaited;       /* per slot of the window: listeners that have not had the event */
static uint64_t *published_ns;  /* per slot of the window: when it was published */
static struct peer *emitter;
static uint64_t published, done;
static int64_t outstanding;
static bool sending, sampling;
static uint32_t *samples_ns;
static size_t sample_count;
static char *payload;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t used_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

static struct share read_share(int pid) {
    struct share share = {0, 0};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *stream = pid ? fopen(path, "r") : NULL;
    if (!stream) return share;
    if (fscanf(stream, "%" SCNu64 " %" SCNu64, &share.used_ns, &share.waited_ns) != 2)
        share.used_ns = share.waited_ns = 0;
    fclose(stream);
    return share;
}

/* The daemon's anonymous memory, or -1 where it cannot be read. */
static long long read_memory_kb(void) {
    static const char label[] = "RssAnon:";
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", options.daemon_pid);
    FILE *stream = options.daemon_pid ? fopen(path, "r") : NULL;
    if (!stream) return -1;
    text[fread(text, 1, sizeof text - 1, stream)] = 0;
    fclose(stream);
    const char *at = strstr(text, label);
    return at ? atoll(at + strlen(label)) : -1;
}

static struct snapshot snap(void) {
    struct snapshot snapshot = {
        now_ns(), done, read_share(getpid()), read_share(options.daemon_pid),
    };
    snapshot.generator.used_ns = used_ns();
    return snapshot;
}

static void sample(uint64_t started_ns) {
    if (!sampling || sample_count == SAMPLES_MAX) return;
    uint64_t taken_ns = now_ns() - started_ns;
    samples_ns[sample_count++] = taken_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)taken_ns;
}

static void start_call(struct pair *pair, int index) {
    struct slot *slot = &pair->slots[index];
    slot->id += (uint64_t)options.in_flight;
    memcpy(payload, &slot->id, MARK_BYTES);
    slot->started_ns = now_ns();
    queue_frame(pair->caller, KIND_CALL, slot->id, pair->name, CODING_BYTES, payload,
                options.payload_bytes);
    outstanding++;
}

static void check_payload(const struct frame *frame, uint64_t mark) {
    if (frame->payload_bytes != options.payload_bytes)
        die("a payload of %u bytes came back instead of %u", frame->payload_bytes,
            options.payload_bytes);
    if (memcmp(frame->payload, &mark, MARK_BYTES)) die("a payload came back changed or out of order");
    if (frame->payload_here_bytes > MARK_BYTES &&
        frame->payload[frame->payload_here_bytes - 1] != FILLER)
        die("a payload came back changed at its end");
}

static void take_reply(struct pair *pair, const struct frame *frame) {
    uint64_t id = frame->header.id;
    int index = (int)(id % (uint64_t)options.in_flight);
    struct slot *slot = &pair->slots[index];
    if (slot->id != id) die("a reply to id %llu, which nobody awaits", (unsigned long long)id);
    check_payload(frame, id);
    sample(slot->started_ns);
    done++;
    outstanding--;
    if (sending) start_call(pair, index);
}

/* Fills the window: the ring's next frame is free once every listener has had what it carried. */
static void publish(void) {
    while (sending) {
        uint64_t index = published % (uint64_t)options.window;
        if (awaited[index]) return;
        char *frame = ring.bytes + index * ring.frame_bytes;
        memcpy(frame + sizeof(struct header) + strlen(SUBJECT), &published, MARK_BYTES);
        awaited[index] = (uint32_t)options.listeners;
        published_ns[index] = now_ns();
        outstanding += options.listeners;
        published++;
        ring.queued += ring.frame_bytes;
        mark_dirty(emitter);
    }
}

static void take_event(struct peer *peer, const struct frame *frame) {
    uint64_t index = peer->expected % (uint64_t)options.window;
    check_payload(frame, peer->expected++);
    done++;
    outstanding--;
    if (--awaited[index]) return;
    sample(published_ns[index]);
    publish();
}

static void take_frame(struct peer *peer, const struct frame *frame) {
    switch (frame->header.kind) {
    case KIND_CALL:
        queue_frame(peer, KIND_REPLY, frame->header.id, "", frame->header.coding, frame->payload,
                    frame->payload_bytes);
        return;
    case KIND_REPLY:
        take_reply(&pairs[peer->position], frame);
        return;
    case KIND_EVENT:
        take_event(peer, frame);
        return;
    case KIND_GAP:
        die("the daemon announced lost events (gap): %.*s", (int)frame->payload_here_bytes,
            frame->payload);
    default:
        return;
    }
}

static void await_answer(struct peer *peer, uint8_t kind) {
    uint64_t deadline_ns = now_ns() + (uint64_t)(STALL_SECONDS * 1e9);
    while (peer->last_kind != kind) {
        if (now_ns() > deadline_ns) die("no answer of kind 0x%02x came in time", kind);
        flush_dirty();
        turn(100);
    }
}

static struct peer *join(int position) {
    static const char hello[] = "{\"v\":[1],\"name\":\"bench\"}";
    struct peer *peer = dial(options.url);
    peer->position = position;
    memcpy(reserve(peer, MAGIC_BYTES), MAGIC, MAGIC_BYTES);
    queue_frame(peer, KIND_HELLO, 0, "", CODING_JSON, hello, strlen(hello));
    await_answer(peer, KIND_WELCOME);
    return peer;
}

static void provide(struct peer *peer, const char *service) {
    char body[128];
    snprintf(body, sizeof body, "{\"service\":\"%s\",\"commands\":[{\"name\":\"run\"}]}", service);
    queue_frame(peer, KIND_PROVIDE, 1, "", CODING_JSON, body, strlen(body));
    await_answer(peer, KIND_PROVIDED);
}

static void prepare_call(void) {
    pairs = calloc((size_t)options.pairs, sizeof *pairs);
    for (int i = 0; i < options.pairs; i++) {
        struct pair *pair = &pairs[i];
        char service[24];
        snprintf(service, sizeof service, options.pairs == 1 ? "echo" : "echo%d", i);
        snprintf(pair->name, sizeof pair->name, "%s.run", service);
        provide(join(i), service);
        pair->caller = join(i);
        pair->slots = calloc((size_t)options.in_flight, sizeof *pair->slots);
        for (int k = 0; k < options.in_flight; k++) pair->slots[k].id = (uint64_t)k;
    }
}

static void start_calls(void) {
    for (int i = 0; i < options.pairs; i++)
        for (int k = 0; k < options.in_flight; k++) start_call(&pairs[i], k);
}

static void prepare_event(void) {
    for (int i = 0; i < options.listeners; i++) {
        struct peer *listener = join(i);
        queue_frame(listener, KIND_SUB, 1, SUBJECT, CODING_NONE, "", 0);
        await_answer(listener, KIND_SUBBED);
    }
    emitter = join(0);
    ring.frame_bytes = frame_bytes(strlen(SUBJECT), options.payload_bytes);
    ring.length = ring.frame_bytes * (size_t)options.window;
    ring.bytes = malloc(ring.length);
    awaited = calloc((size_t)options.window, sizeof *awaited);
    published_ns = calloc((size_t)options.window, sizeof *published_ns);
    if (!ring.bytes || !awaited || !published_ns) die("out of memory");
    for (int i = 0; i < options.window; i++)
        encode(ring.bytes + (size_t)i * ring.frame_bytes, KIND_EMIT, 0, SUBJECT, CODING_BYTES,
               payload, options.payload_bytes);
    emitter->ring = &ring;
}

/* Runs the loop until `seconds` have passed, `count_max` is reached, or nothing is outstanding. */
static void run_for(double seconds) {
    uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9), stalled_ns = now_ns(), before = done;
    uint64_t last = done;
    for (;;) {
        turn(100);
        uint64_t ns = now_ns();
        if (ns >= end_ns || done - before >= options.count_max || outstanding == 0) return;
        if (done != last) stalled_ns = ns;
        last = done;
        if (ns - stalled_ns > (uint64_t)(STALL_SECONDS * 1e9))
            die("nothing arrived for %.0f s; %lld outstanding", STALL_SECONDS,
                (long long)outstanding);
    }
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print_daemon(const struct snapshot *a, const struct snapshot *b, double seconds) {
    if (!a->daemon.used_ns) {
        printf("\"daemon_cpu\":null,\"daemon_us_per_op\":null,\"daemon_waited\":null,");
        return;
    }
    double used = (double)(b->daemon.used_ns - a->daemon.used_ns) / 1e9;
    double waited = (double)(b->daemon.waited_ns - a->daemon.waited_ns) / 1e9;
    printf("\"daemon_cpu\":%.3f,\"daemon_us_per_op\":%.3f,\"daemon_waited\":%.3f,",
           used / seconds, used * 1e6 / (double)(b->done - a->done), waited / seconds);
}

static void print_figures(const struct snapshot *a, const struct snapshot *b) {
    double seconds = (double)(b->ns - a->ns) / 1e9, count = (double)(b->done - a->done);
    if (count < 1) die("nothing was measured in %.2f s", seconds);
    qsort(samples_ns, sample_count, sizeof *samples_ns, ascending);
    printf("{\"ok\":true,\"workload\":\"%s\",\"count\":%.0f,\"seconds\":%.4f,\"per_second\":%.1f,",
           options.workload, count, seconds, count / seconds);
    printf("\"mb_per_second\":%.1f,", count / seconds * options.payload_bytes / 1e6);
    if (sample_count)
        printf("\"p50_us\":%.1f,\"p99_us\":%.1f,", samples_ns[sample_count / 2] / 1e3,
               samples_ns[sample_count * 99 / 100] / 1e3);
    print_daemon(a, b, seconds);
    printf("\"generator_cpu\":%.3f,\"generator_waited\":%.3f}\n",
           (double)(b->generator.used_ns - a->generator.used_ns) / 1e9 / seconds,
           (double)(b->generator.waited_ns - a->generator.waited_ns) / 1e9 / seconds);
}

static void measure(void (*start)(void)) {
    sending = true;
    start();
    flush_dirty();
    run_for(options.warm_up_seconds);
    sampling = true;
    struct snapshot a = snap();
    run_for(options.seconds);
    struct snapshot b = snap();
    sampling = sending = false;
    run_for(STALL_SECONDS);
    if (outstanding) die("%lld answers or events never came", (long long)outstanding);
    print_figures(&a, &b);
}

/* What one silent, welcomed connection costs the daemon; the first one is not counted. */
static void measure_idle(void) {
    join(0);
    long long before_kb = read_memory_kb();
    uint64_t started_ns = now_ns();
    for (int i = 0; i < options.connections; i++) join(i);
    double seconds = (double)(now_ns() - started_ns) / 1e9;
    long long after_kb = read_memory_kb();
    printf("{\"ok\":true,\"workload\":\"idle\",\"count\":%d,\"seconds\":%.4f,\"per_second\":%.1f,",
           options.connections, seconds, options.connections / seconds);
    if (before_kb < 0) printf("\"bytes_per_connection\":null}\n");
    else printf("\"bytes_per_connection\":%lld}\n",
                (after_kb - before_kb) * 1024 / options.connections);
}

static long number(const char *option, const char *text, long low, long high) {
    char *end;
    long value = text ? strtol(text, &end, 10) : low - 1;
    if (!text || *end || value < low || value > high)
        die("%s takes a number from %ld to %ld", option, low, high);
    return value;
}

static void read_options(int count, char **words) {
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *next = i + 1 < count ? words[i + 1] : NULL;
        if (word[0] != '-') { options.workload = word; continue; }
        i++;
        if (!strcmp(word, "--url")) options.url = next;
        else if (!strcmp(word, "--pid")) options.daemon_pid = number(word, next, 1, 1 << 30);
        else if (!strcmp(word, "--pairs")) options.pairs = number(word, next, 1, PEERS_MAX / 2);
        else if (!strcmp(word, "--in-flight")) options.in_flight = number(word, next, 1, IN_FLIGHT_MAX);
        else if (!strcmp(word, "--listeners")) options.listeners = number(word, next, 1, PEERS_MAX - 1);
        else if (!strcmp(word, "--window")) options.window = number(word, next, 1, 10000);
        else if (!strcmp(word, "--connections")) options.connections = number(word, next, 1, PEERS_MAX - 1);
        else if (!strcmp(word, "--payload")) options.payload_bytes = number(word, next, 16, 8 << 20);
        else if (!strcmp(word, "--count")) options.count_max = number(word, next, 1, 1L << 40);
        else if (!strcmp(word, "--warm-up-ms")) options.warm_up_seconds = number(word, next, 1, 60000) / 1e3;
        else if (!strcmp(word, "--ms")) options.seconds = number(word, next, 1, 60000) / 1e3;
        else die("unknown option %s", word);
    }
    if (!options.url || !options.workload) die("usage: loadgen --url URL call|event|idle [options]");
}

int main(int count, char **words) {
    struct rlimit files;
    read_options(count, words);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    loop_descriptor = epoll_create1(0);
    samples_ns = malloc(SAMPLES_MAX * sizeof *samples_ns);
    payload = malloc(options.payload_bytes);
    if (!samples_ns || !payload) die("out of memory");
    memset(samples_ns, 0, SAMPLES_MAX * sizeof *samples_ns);
    memset(payload, FILLER, options.payload_bytes);
    if (!strcmp(options.workload, "idle")) {
        measure_idle();
    } else if (!strcmp(options.workload, "call")) {
        if (options.payload_bytes > CARRY_BYTES / 2) die("commands take at most %d bytes", CARRY_BYTES / 2);
        prepare_call();
        measure(start_calls);
    } else if (!strcmp(options.workload, "event")) {
        prepare_event();
        measure(publish);
    } else {
        die("no workload is called %s: call, event or idle", options.workload);
    }
    return 0;
}
