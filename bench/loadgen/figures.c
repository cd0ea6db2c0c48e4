/* Runs a workload for its time and prints the figures: rates, latencies, processor time and memory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "workloads.h"

#define SAMPLES_MAX (1 << 20)

/* What a process used of a core, and how long it was kept waiting for one by others. */
struct share {
    uint64_t used_ns, waited_ns;
};

struct snapshot {
    uint64_t ns, done;
    struct share generator, daemon;
};

static bool sampling;
static uint32_t samples_ns[SAMPLES_MAX];
static size_t sample_count;

void sample(uint64_t started_ns) {
    if (!sampling || sample_count == SAMPLES_MAX) return;
    uint64_t taken_ns = now_ns() - started_ns;
    samples_ns[sample_count++] = taken_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)taken_ns;
}

static uint64_t used_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

static void add_thread(struct share *share, int pid, const char *thread) {
    char path[320];
    uint64_t used, waited;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
    FILE *stream = fopen(path, "r");
    if (!stream) return;
    if (fscanf(stream, "%" SCNu64 " %" SCNu64, &used, &waited) == 2) {
        share->used_ns += used;
        share->waited_ns += waited;
    }
    fclose(stream);
}

/* All threads of a process: some servers work with many. */
static void add_share(struct share *share, int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') add_thread(share, pid, entry->d_name);
    closedir(folder);
}

/* The anonymous memory of the processes under test, or -1 where it cannot be read. */
static long long read_memory_kb(void) {
    static const char label[] = "RssAnon:";
    long long sum_kb = options.pid_count ? 0 : -1;
    for (int i = 0; i < options.pid_count; i++) {
        char path[64], text[4096];
        snprintf(path, sizeof path, "/proc/%d/status", options.pids[i]);
        FILE *stream = fopen(path, "r");
        if (!stream) return -1;
        text[fread(text, 1, sizeof text - 1, stream)] = 0;
        fclose(stream);
        const char *at = strstr(text, label);
        if (!at) return -1;
        sum_kb += atoll(at + strlen(label));
    }
    return sum_kb;
}

static struct snapshot snap(void) {
    struct snapshot snapshot = {.ns = now_ns(), .done = done};
    add_share(&snapshot.generator, getpid());
    snapshot.generator.used_ns = used_ns();
    for (int i = 0; i < options.pid_count; i++) add_share(&snapshot.daemon, options.pids[i]);
    return snapshot;
}

/* Runs the loop until `seconds` have passed, `count_max` is reached, or nothing is outstanding. */
static void run_for(double seconds) {
    uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9), stalled_ns = now_ns(), before = done;
    uint64_t last = done;
    for (;;) {
        turn(100);
        uint64_t ns = now_ns();
        if (ns >= end_ns || done - before >= options.count_max) return;
        if (outstanding == 0 && unanswered == 0) return;
        if (done != last) stalled_ns = ns;
        last = done;
        if (ns - stalled_ns > (uint64_t)(STALL_SECONDS * 1e9))
            die("nothing arrived for %.0f s; %" PRId64 " outstanding", STALL_SECONDS,
                outstanding + unanswered);
    }
}

/* Waits for what is still to come, however many that are. */
static void finish(void) {
    sending = false;
    options.count_max = UINT64_MAX;
    run_for(STALL_SECONDS);
    if (outstanding) die("%" PRId64 " answers or events never came", outstanding);
    if (unanswered) die("the server answered %" PRId64 " messages too few", unanswered);
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
    double used = (double)(int64_t)(b->daemon.used_ns - a->daemon.used_ns) / 1e9;
    double waited = (double)(int64_t)(b->daemon.waited_ns - a->daemon.waited_ns) / 1e9;
    printf("\"daemon_cpu\":%.3f,\"daemon_us_per_op\":%.3f,\"daemon_waited\":%.3f,",
           used / seconds, used * 1e6 / (double)(b->done - a->done), waited / seconds);
}

static void print_figures(const struct snapshot *a, const struct snapshot *b) {
    double seconds = (double)(b->ns - a->ns) / 1e9, count = (double)(b->done - a->done);
    if (count < 1) die("nothing was measured in %.2f s", seconds);
    qsort(samples_ns, sample_count, sizeof *samples_ns, ascending);
    printf("{\"ok\":true,\"workload\":\"%s\",\"protocol\":\"%s\",\"count\":%.0f,\"seconds\":%.4f,",
           options.workload, options.protocol, count, seconds);
    printf("\"per_second\":%.1f,\"mb_per_second\":%.1f,", count / seconds,
           count / seconds * options.payload_bytes / 1e6);
    if (sample_count)
        printf("\"p50_us\":%.1f,\"p99_us\":%.1f,", samples_ns[sample_count / 2] / 1e3,
               samples_ns[sample_count * 99 / 100] / 1e3);
    print_daemon(a, b, seconds);
    double used = (double)(b->generator.used_ns - a->generator.used_ns) / 1e9;
    printf("\"generator_cpu\":%.3f,\"generator_us_per_op\":%.3f,\"generator_waited\":%.3f}\n",
           used / seconds, used * 1e6 / count,
           (double)(b->generator.waited_ns - a->generator.waited_ns) / 1e9 / seconds);
}

void measure(void (*start)(void)) {
    sending = true;
    start();
    flush_dirty();
    run_for(options.warm_up_seconds);
    sampling = true;
    struct snapshot a = snap();
    run_for(options.seconds);
    struct snapshot b = snap();
    sampling = false;
    finish();
    print_figures(&a, &b);
}

/* What one silent, welcomed connection costs the server; the first one is not counted. */
void measure_idle(void) {
    join(ROLE_SILENT, 0);
    long long before_kb = read_memory_kb();
    uint64_t started_ns = now_ns();
    for (int i = 0; i < options.connections; i++) join(ROLE_SILENT, i);
    double seconds = (double)(now_ns() - started_ns) / 1e9;
    long long after_kb = read_memory_kb();
    printf("{\"ok\":true,\"workload\":\"idle\",\"protocol\":\"%s\",\"count\":%d,\"seconds\":%.4f,",
           options.protocol, options.connections, seconds);
    printf("\"per_second\":%.1f,", options.connections / seconds);
    if (before_kb < 0 || after_kb < 0) printf("\"bytes_per_connection\":null}\n");
    else printf("\"bytes_per_connection\":%lld}\n",
                (after_kb - before_kb) * 1024 / options.connections);
}
