/* A prompt goes in, and a text comes out that follows a grammar or is one of a list: command-json MODEL rules|choices FILE PROMPT */
#include "stlm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(STLM_ALIGNMENT) char model_memory[4096], session_memory[16 << 20], constraint_memory[1 << 20];
static char grammar[1 << 16];

static void check(int32_t status, const char *sentence) {
    if (status < 0) fprintf(stderr, "command-json: %s\n", sentence), exit(1);
}

int main(int count, char **words) {
    stlm_model *model;
    stlm_session *session;
    struct stlm_options options;
    struct stlm_progress progress;
    const char *text;
    size_t bytes;
    int32_t status;
    const int is_list = count == 5 && strcmp(words[2], "choices") == 0;
    if (count != 5 || (!is_list && strcmp(words[2], "rules") != 0)) {
        return fputs("usage: command-json MODEL rules|choices FILE PROMPT\n", stderr), 2;
    }
    FILE *file = fopen(words[3], "rb");
    if (!file) return fprintf(stderr, "command-json: %s cannot be opened; check the path\n", words[3]), 1;
    const size_t grammar_bytes = fread(grammar, 1, sizeof grammar, file);
    fclose(file);
    if (grammar_bytes == sizeof grammar) return fprintf(stderr, "command-json: %s is too long; shorten it\n", words[3]), 1;

    check(stlm_model_open(model_memory, sizeof model_memory, words[1], &model), stlm_model_error(model));
    check(stlm_options_default(model, &options), stlm_model_error(model));
    check(stlm_session_open(model, &options, session_memory, sizeof session_memory, &session), stlm_model_error(model));
    check(stlm_set_constraint(session, is_list ? STLM_CHOICES : STLM_RULES, grammar, grammar_bytes, constraint_memory, sizeof constraint_memory),
          stlm_session_error(session));
    check(stlm_prompt(session, words[4], strlen(words[4])), stlm_session_error(session));
    do {
        check(status = stlm_step(session), stlm_session_error(session));
        stlm_get_text(session, &text, &bytes);
        fwrite(text, 1, bytes, stdout);
    } while (status != STLM_ENDED);
    putchar('\n');
    check(stlm_get_progress(session, &progress), stlm_session_error(session));
    if (progress.ending != STLM_ENDING_GRAMMAR && progress.ending != STLM_ENDING_END) {
        return fputs("command-json: the text is not complete; give the session a greater context\n", stderr), 1;
    }
    return fflush(stdout) != 0;
}
