/* The workloads of the load generator, and what a run is told and counts. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include "../peer.h"

#define IN_FLIGHT_MAX 1000
#define PIDS_MAX 16

struct options {
    const char *url, *workload, *protocol;
    int pairs, in_flight, listeners, writers, window, connections, pid_count;
    int pids[PIDS_MAX];
    uint32_t payload_bytes;
    uint64_t count_max;
    double warm_up_seconds, seconds;
};

extern struct options options;
extern uint64_t done;          /* round trips or deliveries so far */
extern int64_t outstanding;    /* replies and deliveries that must still come */
extern int64_t unanswered;     /* messages whose receipt the server has not answered yet */
extern bool sending;

void prepare_payload(void);
void prepare_call(void);
void start_calls(void);
void prepare_set(void);
void start_sets(void);
void prepare_event(void);
void prepare_watch(void);
void prepare_jobs(void);
void publish(void);
struct peer *join(enum role role, int position);

/* Notes the latency of something finished, while samples are taken. */
void sample(uint64_t started_ns);

/* Runs a prepared workload and prints its figures; `measure_idle` needs no preparation. */
void measure(void (*start)(void));
void measure_idle(void);

#endif
