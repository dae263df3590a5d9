/* How soon a session stops that another thread cancels: cc -O2 -pthread -I FOLDER Tools/bench/cancel_latency.c FOLDER/libstlm.a -Wl,--gc-sections
   -o cancel_latency, where FOLDER is .build/boards/x86_64 or another; cancel_latency MODEL [TRIALS [THREADS]]. Each trial reads a prompt of
   seeded ids and writes after it until the other thread cancels at a moment drawn anew, from the beginning of the prompt to twice the time that it
   takes. Prints JSON: time from before the cancel until the step has returned that says so, by the clock on the wall. */
#define _GNU_SOURCE
#include "bench.h"
#include "stlm.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static stlm_session *session;
static _Atomic uint64_t cancel_at, cancelled_at;
static _Atomic int ends;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *cancel(void *unused) {
    while (!ends) {
        uint64_t at = cancel_at;
        const uint64_t time = now();
        if (at == 0 || time + 200000 < at) {
            nanosleep(&(struct timespec){0, 50000}, 0);
        } else if (time >= at && atomic_compare_exchange_strong(&cancel_at, &at, 0)) {
            cancelled_at = now();
            stlm_cancel(session);
        }
    }
    return unused;
}

static uint64_t state = 1;
static uint32_t drawn(void) { return (uint32_t)((state = state * 6364136223846793005u + 1442695040888963407u) >> 33); }

int main(int count, char **words) {
    if (count < 2) fail("cancel_latency", "give a model; cancel_latency MODEL [TRIALS [THREADS]]");
    const size_t trials = count > 2 ? strtoull(words[2], 0, 10) : 1000;
    if (trials < 1 || trials > 1000000) fail("cancel_latency", "TRIALS is 1 to 1,000,000");
    stlm_model *model;
    struct stlm_options options;
    struct stlm_model_info info;
    size_t bytes = stlm_model_bytes();
    if (stlm_model_open(aligned_alloc(STLM_ALIGNMENT, bytes), bytes, words[1], &model) < 0) fail("cancel_latency", stlm_model_error(model));
    stlm_model_get_info(model, &info);
    stlm_options_default(model, &options);
    if (count > 3) options.threads = (uint32_t)strtoul(words[3], 0, 10);
    options.flags = STLM_IGNORES_END | STLM_SLIDES;
    bytes = stlm_session_bytes(model, &options);
    void *memory = bytes ? aligned_alloc(STLM_ALIGNMENT, (bytes + 63) / 64 * 64) : 0;
    if (!memory || stlm_session_open(model, &options, memory, bytes, &session) < 0) fail("cancel_latency", stlm_model_error(model));

    static uint32_t ids[128 * 32];
    const size_t id_count = 128 * info.input_size;
    for (size_t k = 0; k < id_count; k++) ids[k] = drawn() % (info.block_size ? 256 : info.vocabulary_size);
    uint64_t *latencies = malloc(trials * sizeof *latencies), prompt = 0;
    pthread_t thread;
    if (!latencies || pthread_create(&thread, 0, cancel, 0)) fail("cancel_latency", "there is no memory, or no second thread");
    size_t reading = 0;
    /* The first two trials bring the file in and take the prompt's time. */
    for (size_t trial = 0; trial < trials + 2; trial++) {
        stlm_reset(session);
        const uint64_t start = now();
        if (stlm_prompt_ids(session, ids, id_count) < 0) fail("cancel_latency", stlm_session_error(session));
        if (trial >= 2) cancel_at = start + drawn() % (2 * prompt);
        int32_t status;
        int is_reading = 1;
        while ((status = stlm_step(session)) >= 0 && (trial >= 2 || status != STLM_TOKEN)) {
            if (status == STLM_ENDED) fail("cancel_latency", "the text ended before it was cancelled");
            if (status == STLM_TOKEN) is_reading = 0;
        }
        const uint64_t end = now();
        if (trial < 2) {
            prompt = end - start;
            stlm_cancel(session);
            while (stlm_step(session) >= 0) {}
            continue;
        }
        if (status != STLM_CANCELLED) fail("cancel_latency", stlm_session_error(session));
        latencies[trial - 2] = end - cancelled_at;
        reading += (size_t)is_reading;
    }
    ends = 1;
    pthread_join(thread, 0);
    qsort(latencies, trials, sizeof *latencies, compare);
    printf("{\"kernels\": \"%s\", \"threads\": %u, \"trials\": %zu, \"while_reading\": %zu, \"longest_us\": %.1f, \"p99_us\": %.1f, \"median_us\": %.1f}\n",
        stlm_kernels(), options.threads, trials, reading, latencies[trials - 1] / 1e3, latencies[(trials - 1) * 99 / 100] / 1e3, latencies[trials / 2] / 1e3);
    return 0;
}
