/* Which of some labels is the likeliest after a prompt: classifier MODEL PROMPT LABEL LABEL... */
#include "stlm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS = 32, SESSION_BYTES = 16 << 20, SAVED_BYTES = 4 << 20 };

static _Alignas(STLM_ALIGNMENT) char model_memory[4096], session_memory[SESSION_BYTES];
/* What is known of the prompt, to go back to before each label. */
static struct saved { char bytes[SAVED_BYTES]; size_t count, place; } saved;

static void check(int32_t status, const char *sentence) {
    if (status < 0) fprintf(stderr, "classifier: %s\n", sentence), exit(1);
}

static int32_t take(void *context, const void *bytes, size_t count) {
    struct saved *s = context;
    if (count > SAVED_BYTES - s->count) return 1;
    memcpy(s->bytes + s->count, bytes, count), s->count += count;
    return 0;
}

static int32_t give(void *context, void *bytes, size_t count) {
    struct saved *s = context;
    if (count > s->count - s->place) return 1;
    memcpy(bytes, s->bytes + s->place, count), s->place += count;
    return 0;
}

static void run(stlm_session *session) {
    int32_t status;
    do check(status = stlm_step(session), stlm_session_error(session));
    while (status != STLM_ENDED);
}

/* 2^-x in units of 2^-30, x in units of 2^-24: a factor for each of its first bits behind the point. */
static uint64_t power(uint64_t x) {
    static const uint32_t roots[] = {759250125, 902905651, 984625594, 1028218693, 1050733751, 1062175491, 1067942999, 1070838486, 1072289173,
                                     1073015252, 1073378477, 1073560135};
    uint64_t value = 1 << 30;
    if (x >> 24 > 30) return 0;
    for (int k = 0; k < 12; k++)
        if (x >> (23 - k) & 1) value = value * roots[k] >> 30;
    return value >> (x >> 24);
}

int main(int count, char **words) {
    stlm_model *model;
    stlm_session *session;
    struct stlm_options options;
    uint64_t costs[LABELS], least = UINT64_MAX, sum = 0, pieces;
    const int labels = count - 3;
    if (labels < 2 || labels > LABELS) return fprintf(stderr, "usage: classifier MODEL PROMPT LABEL LABEL...\n"), 2;

    check(stlm_model_open(model_memory, sizeof model_memory, words[1], &model), stlm_model_error(model));
    check(stlm_options_default(model, &options), stlm_model_error(model));
    check(stlm_session_open(model, &options, session_memory, sizeof session_memory, &session), stlm_model_error(model));

    /* The prompt is read once. */
    check(stlm_set_limits(session, 0, UINT64_MAX), stlm_session_error(session));
    check(stlm_prompt(session, words[2], strlen(words[2])), stlm_session_error(session));
    run(session);
    check(stlm_save(session, take, &saved), stlm_session_error(session));

    for (int k = 0; k < labels; k++) {
        const char *label = words[3 + k];
        saved.place = 0;
        check(stlm_restore(session, give, &saved), stlm_session_error(session));
        check(stlm_score(session, label, strlen(label)), stlm_session_error(session));
        run(session);
        check(stlm_get_cost(session, &costs[k], &pieces), stlm_session_error(session));
        if (costs[k] < least) least = costs[k];
    }

    /* A label costs -log2 of its likelihood: among them each has its share. */
    for (int k = 0; k < labels; k++) sum += power(costs[k] - least);
    for (int k = 0; k < labels; k++) {
        const uint64_t share = (power(costs[k] - least) * 1000 + sum / 2) / sum;
        printf("%4u%s%s%s\n", (unsigned)share, costs[k] == least ? " * " : "   ", words[3 + k][0] == ' ' ? "" : " ", words[3 + k]);
    }
    return fflush(stdout) != 0;
}
