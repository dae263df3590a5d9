/* How long one stlm_step takes at most: cc -O2 -I FOLDER Tools/bench/longest_step.c FOLDER/libstlm.a -Wl,--gc-sections -o longest_step, where
   FOLDER is .build/boards/x86_64 or another; longest_step MODEL [QUANTUM [PROMPT [TOKENS [THREADS]]]]. The prompt has so many seeded ids; where PROMPT
   is 0, it is standard input's text, which slides. Prints JSON: steps, the longest of them,
   the 99.9th percentile and the median, in time of the calling thread, for the prompt and for what follows. */
#define _GNU_SOURCE
#include "bench.h"
#include "stlm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Of the calling thread: what other programs take of the machine does not count. */
static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct times {
    uint64_t *all;
    size_t count, room;
    uint64_t sum;
};

static void add(struct times *times, uint64_t nanoseconds) {
    if (times->count == times->room) {
        times->room = times->room ? 2 * times->room : 4096;
        times->all = realloc(times->all, times->room * sizeof *times->all);
        if (!times->all) exit(1);
    }
    times->all[times->count++] = nanoseconds;
    times->sum += nanoseconds;
}

static void print(const char *name, struct times *times) {
    if (times->count == 0) return;
    qsort(times->all, times->count, sizeof *times->all, compare);
    printf(",\n \"%s\": {\"steps\": %zu, \"longest_us\": %.1f, \"p999_us\": %.1f, \"median_us\": %.1f, \"all_ms\": %.3f}", name, times->count,
        times->all[times->count - 1] / 1e3, times->all[(size_t)((double)(times->count - 1) * 0.999)] / 1e3, times->all[times->count / 2] / 1e3,
        times->sum / 1e6);
}

int main(int count, char **words) {
    if (count < 2) fail("longest_step", "give a model; longest_step MODEL [QUANTUM [PROMPT [TOKENS [THREADS]]]]");
    const size_t prompt_count = count > 3 ? strtoull(words[3], 0, 10) : 128, token_count = count > 4 ? strtoull(words[4], 0, 10) : 128;
    stlm_model *model;
    stlm_session *session;
    struct stlm_options options;
    struct stlm_model_info info;
    size_t bytes = stlm_model_bytes();
    if (stlm_model_open(aligned_alloc(STLM_ALIGNMENT, bytes), bytes, words[1], &model) < 0) fail("longest_step", stlm_model_error(model));
    stlm_model_get_info(model, &info);
    stlm_options_default(model, &options);
    if (count > 2 && strtoull(words[2], 0, 10)) options.quantum = strtoull(words[2], 0, 10);
    if (count > 5) options.threads = (uint32_t)strtoul(words[5], 0, 10);
    options.context = info.context_maximum;
    options.flags = STLM_IGNORES_END | (prompt_count ? 0 : STLM_SLIDES);
    options.sampling.temperature = 0;
    options.sampling.repeat_penalty = 65536;
    bytes = stlm_session_bytes(model, &options);
    void *memory = bytes ? aligned_alloc(STLM_ALIGNMENT, (bytes + 63) / 64 * 64) : 0;
    if (!memory) fail("longest_step", stlm_model_error(model));
    memset(memory, 0, bytes);
    if (stlm_session_open(model, &options, memory, bytes, &session) < 0) fail("longest_step", stlm_model_error(model));

    static char text[1 << 20];
    static uint32_t ids[65536];
    size_t text_bytes = 0, id_count = prompt_count * info.input_size;
    if (prompt_count == 0) text_bytes = fread(text, 1, sizeof text, stdin);
    if (id_count > 65536) fail("longest_step", "the prompt is too long for this program");
    uint64_t state = 1;
    for (size_t k = 0; k < id_count; k++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ids[k] = (uint32_t)(state >> 33) % (info.block_size ? 256 : info.vocabulary_size);
    }

    struct times reading = {0}, writing = {0}, all = {0};
    /* The first round brings the file's pages in and counts for nothing. */
    for (int round = 0; round < 4; round++) {
        stlm_reset(session);
        stlm_set_limits(session, token_count, UINT64_MAX);
        const int32_t begun = prompt_count ? stlm_prompt_ids(session, ids, id_count) : stlm_prompt(session, text, text_bytes);
        if (begun < 0) fail("longest_step", stlm_session_error(session));
        for (int is_writing = 0;;) {
            const uint64_t start = now();
            const int32_t status = stlm_step(session);
            const uint64_t end = now();
            if (status < 0) fail("longest_step", stlm_session_error(session));
            if (round > 0) {
                add(is_writing ? &writing : &reading, end - start);
                add(&all, end - start);
            }
            if (status == STLM_ENDED) break;
            if (status == STLM_TOKEN) is_writing = 1;
        }
    }
    struct stlm_progress progress;
    uint64_t bound;
    stlm_get_progress(session, &progress);
    stlm_step_bound(session, &bound);
    printf("{\"kernels\": \"%s\", \"quantum\": %llu, \"bound\": %llu, \"batch\": %u, \"session_bytes\": %zu", stlm_kernels(),
        (unsigned long long)options.quantum, (unsigned long long)bound, progress.batch, bytes);
    print("all", &all);
    print("prompt", &reading);
    print("tokens", &writing);
    printf("}\n");
    return 0;
}
