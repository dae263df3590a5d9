/* What C programs do wrong with stlm.h, one after the other: misuse MODEL. Each must be an error code, never a crash; built under sanitizers by
   Tests/BoardsTests. Prints "as it should be" in the end. */
#define _GNU_SOURCE
#include "stlm.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define EXPECT(call, code)                                                                                  \
    do {                                                                                                    \
        const int32_t got = (call);                                                                         \
        if (got != (code)) failures++, printf("line %d: %s gave %d, not %d\n", __LINE__, #call, got, code); \
    } while (0)

static void *aligned(size_t byte_count) {
    void *memory = aligned_alloc(STLM_ALIGNMENT, (byte_count + 63) / 64 * 64);
    if (!memory) exit(3);
    return memory;
}

static stlm_model *model;
static void *session_memory;
static size_t session_bytes;
static struct stlm_options options;

static stlm_session *opened(void) {
    stlm_session *session = 0;
    EXPECT(stlm_session_open(model, &options, session_memory, session_bytes, &session), STLM_OK);
    return session;
}

/* Some threads in one session at once: each call works or is refused. */
struct racing {
    stlm_session *session;
    int counts[2]; /* worked, refused */
};

static void *race(void *context) {
    struct racing *own = context;
    for (int k = 0; k < 3000; k++) {
        const int32_t status = k % 100 == 99 ? stlm_reset(own->session) : k % 100 == 0 ? stlm_prompt(own->session, "the", 3) : stlm_step(own->session);
        if (status == STLM_BUSY) own->counts[1]++;
        else if (status >= 0 || status == STLM_WRONG_ORDER || status == STLM_CONTEXT_FULL) own->counts[0]++;
        else own->counts[0] = -1000000;
    }
    return 0;
}

static void run_race(void) {
    struct racing threads[3];
    pthread_t ids[3];
    stlm_session *session = opened();
    memset(threads, 0, sizeof threads);
    for (int t = 0; t < 3; t++) {
        threads[t].session = session;
        if (pthread_create(&ids[t], 0, race, &threads[t]) != 0) exit(3);
    }
    int worked = 0, refused = 0;
    for (int t = 0; t < 3; t++) {
        pthread_join(ids[t], 0);
        worked += threads[t].counts[0];
        refused += threads[t].counts[1];
    }
    if (worked < 1 || worked + refused != 9000) failures++, printf("of 9000 calls %d worked and %d were refused\n", worked, refused);
    EXPECT(stlm_session_close(session), STLM_OK);
}

/* A thread works, another cancels. */
static void *work(void *context) {
    stlm_session *session = context;
    int32_t status;
    do status = stlm_step(session);
    while (status == STLM_WORKING || status == STLM_TOKEN);
    return (void *)(intptr_t)status;
}

static void run_cancel(void) {
    stlm_session *session = opened();
    for (int k = 0; k < 50; k++) {
        pthread_t id;
        void *status;
        EXPECT(stlm_reset(session), STLM_OK);
        EXPECT(stlm_prompt(session, "the end", 7), STLM_OK);
        if (pthread_create(&id, 0, work, session) != 0) exit(3);
        EXPECT(stlm_cancel(session), STLM_OK);
        pthread_join(id, &status);
        if ((intptr_t)status != STLM_CANCELLED) failures++, printf("a cancelled thread ended with %d\n", (int)(intptr_t)status);
    }
    EXPECT(stlm_session_close(session), STLM_OK);
}

static int32_t step_again(void *context, const void *bytes, size_t byte_count) {
    (void)bytes, (void)byte_count;
    EXPECT(stlm_step(context), STLM_BUSY);
    EXPECT(stlm_session_close(context), STLM_BUSY);
    return 0;
}

/* A constraint in memory of exactly its size, which the sanitizers watch. */
static void constrain(void) {
    static const char good[] = "root ::= \"the \" [a-c]{2,3} | \"then\"", bad[] = "root ::= \"the";
    const size_t bytes = stlm_constraint_bytes(model);
    void *memory = aligned(bytes);
    stlm_session *session = opened();
    EXPECT(stlm_set_constraint(0, STLM_RULES, good, sizeof good - 1, memory, bytes), STLM_NULL_POINTER);
    EXPECT(stlm_set_constraint(session, STLM_RULES, 0, 3, memory, bytes), STLM_NULL_POINTER);
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, 0, bytes), STLM_NULL_POINTER);
    EXPECT(stlm_set_constraint(session, 2, good, sizeof good - 1, memory, bytes), STLM_BAD_OPTION);
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, (char *)memory + 8, bytes), STLM_MISALIGNED);
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, memory, bytes - 1), STLM_TOO_SMALL);
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, memory, SIZE_MAX), STLM_TOO_SMALL);
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, SIZE_MAX, memory, bytes), STLM_NULL_POINTER);
    EXPECT(stlm_set_constraint(session, STLM_RULES, bad, sizeof bad - 1, memory, bytes), STLM_BAD_GRAMMAR);
    if (!strstr(stlm_session_error(session), "line 1, column 10")) failures++, puts(stlm_session_error(session));
    EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, memory, bytes), STLM_OK);
    for (int k = 0; k < 40; k++) {
        char text[64] = "";
        size_t text_bytes = 0;
        int32_t status;
        EXPECT(stlm_prompt(session, "the", 3), STLM_OK);
        EXPECT(stlm_clear_constraint(session), STLM_WRONG_ORDER);
        EXPECT(stlm_set_constraint(session, STLM_RULES, good, sizeof good - 1, memory, bytes), STLM_WRONG_ORDER);
        do {
            const char *part;
            size_t part_bytes;
            status = stlm_step(session);
            EXPECT(stlm_get_text(session, &part, &part_bytes), STLM_OK);
            if (text_bytes + part_bytes < sizeof text) memcpy(text + text_bytes, part, part_bytes), text_bytes += part_bytes;
        } while (status == STLM_WORKING || status == STLM_TOKEN);
        EXPECT(status, STLM_ENDED);
        struct stlm_progress progress;
        EXPECT(stlm_get_progress(session, &progress), STLM_OK);
        /* End tokens are ignored, so that only a full text ends. */
        const int whole = strcmp(text, "then") == 0 || (text_bytes == 7 && memcmp(text, "the ", 4) == 0 && strspn(text + 4, "abc") == 3);
        if (progress.ending != STLM_ENDING_GRAMMAR || !whole) failures++, printf("'%s', ended by %u\n", text, progress.ending);
    }
    EXPECT(stlm_clear_constraint(session), STLM_OK);
    EXPECT(stlm_session_close(session), STLM_OK);
    EXPECT(stlm_clear_constraint(session), STLM_NOT_OPEN);
    free(memory);
}

/* Numbers that no int32_t holds: on boards of 32 bits they are no whole numbers of Swift's either. */
static void wide_numbers(void) {
    static const uint32_t numbers[] = {1u << 31, UINT32_MAX - 1, UINT32_MAX};
    stlm_session *session = opened();
    for (int k = 0; k < 3; k++) {
        char part[40];
        EXPECT(stlm_reset(session), STLM_OK);
        EXPECT(stlm_prompt_ids(session, &numbers[k], 1), STLM_OK);
        EXPECT((int32_t)(intptr_t)work(session), STLM_BAD_TOKEN);
        snprintf(part, sizeof part, "id %u is out of range", (unsigned)numbers[k]);
        if (!strstr(stlm_session_error(session), part)) failures++, puts(stlm_session_error(session));
        for (size_t field = 0; field < sizeof(struct stlm_sampling) / sizeof(uint32_t); field++) {
            struct stlm_sampling sampling = options.sampling;
            memcpy((char *)&sampling + field * sizeof(uint32_t), &numbers[k], sizeof(uint32_t));
            EXPECT(stlm_set_sampling(session, &sampling), STLM_BAD_OPTION);
        }
        /* Each word of the options behind their size; the last but one is STLM_KEPT_DEFAULT, the quantum may be anything. */
        for (size_t at = 4; at < sizeof options; at += 4) {
            struct stlm_options wrong = options;
            memcpy((char *)&wrong + at, &numbers[k], sizeof(uint32_t));
            const int may_be = at == offsetof(struct stlm_options, quantum) || at == offsetof(struct stlm_options, quantum) + 4
                || (at == offsetof(struct stlm_options, kept) && numbers[k] == STLM_KEPT_DEFAULT);
            if ((stlm_session_bytes(model, &wrong) == 0) == may_be) failures++, printf("word %u of the options: %s\n", (unsigned)at, stlm_model_error(model));
        }
    }
    EXPECT(stlm_set_limits(session, UINT64_MAX - 1, (uint64_t)1 << 32), STLM_OK);
    EXPECT(stlm_reset(session), STLM_OK);
    EXPECT(stlm_prompt(session, "the", 3), STLM_OK);
    for (int k = 0; k < 100; k++)
        if (stlm_step(session) < 0) failures++, puts(stlm_session_error(session));
    EXPECT(stlm_session_close(session), STLM_OK);
}

int main(int count, char **words) {
    if (count != 2) return 2;
    const size_t model_bytes = stlm_model_bytes();
    void *model_memory = aligned(model_bytes);
    EXPECT(stlm_model_open(model_memory, model_bytes, "no such file", &model), STLM_NO_FILE);
    EXPECT(stlm_options_default(model, &options), STLM_NOT_OPEN);
    EXPECT(stlm_model_open((char *)model_memory + 4, model_bytes, words[1], &model), STLM_MISALIGNED);
    EXPECT(stlm_model_open(model_memory, 8, words[1], &model), STLM_TOO_SMALL);
    EXPECT(stlm_model_open(model_memory, model_bytes, words[1], &model), STLM_OK);
    EXPECT(stlm_options_default(model, &options), STLM_OK);
    options.flags = STLM_SLIDES | STLM_IGNORES_END;
    options.quantum = 2000;
    session_bytes = stlm_session_bytes(model, &options);
    session_memory = aligned(session_bytes);
    memset(session_memory, 0x5A, session_bytes);

    uint32_t step = 7;
    EXPECT(stlm_self_check(model, session_memory, session_bytes, 0), STLM_NULL_POINTER);
    EXPECT(stlm_self_check(model, (char *)session_memory + 4, session_bytes, &step), STLM_MISALIGNED);
    EXPECT(stlm_self_check(model, session_memory, session_bytes, &step), STLM_NO_TRANSCRIPT);
    EXPECT((int32_t)stlm_self_check_bytes(model), 0);

    stlm_session *session = opened();
    EXPECT(stlm_step(session), STLM_WRONG_ORDER);
    EXPECT(stlm_prompt(session, 0, 3), STLM_NULL_POINTER);
    EXPECT(stlm_prompt(session, "the", 3), STLM_OK);
    EXPECT(stlm_prompt(session, "the", 3), STLM_WRONG_ORDER);
    EXPECT(stlm_model_close(model), STLM_SESSIONS_OPEN);
    stlm_set_limits(session, 5, UINT64_MAX);
    EXPECT((int32_t)(intptr_t)work(session), STLM_ENDED);
    EXPECT(stlm_save(session, step_again, session), STLM_OK);
    EXPECT(stlm_session_close(session), STLM_OK);
    EXPECT(stlm_step(session), STLM_NOT_OPEN);
    EXPECT(stlm_cancel(session), STLM_NOT_OPEN);
    EXPECT(stlm_session_close(session), STLM_NOT_OPEN);
    EXPECT(stlm_step((stlm_session *)((char *)session_memory + 8)), STLM_NOT_OPEN);
    EXPECT(stlm_step(0), STLM_NULL_POINTER);

    wide_numbers();
    constrain();
    run_race();
    run_cancel();
    options.threads = 2;
    session_bytes = stlm_session_bytes(model, &options);
    free(session_memory);
    session_memory = aligned(session_bytes);
    run_cancel();

    EXPECT(stlm_model_close(model), STLM_OK);
    EXPECT(stlm_model_close(model), STLM_NOT_OPEN);
    EXPECT(stlm_session_open(model, &options, session_memory, session_bytes, &session), STLM_NOT_OPEN);
    EXPECT(stlm_self_check(model, session_memory, session_bytes, &step), STLM_NOT_OPEN);
    free(session_memory);
    free(model_memory);
    if (failures == 0) puts("as it should be");
    return failures != 0;
}
