#include "stlm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(STLM_ALIGNMENT) char model_memory[4096], session_memory[16 << 20];

static void check(int32_t status, const char *sentence) { if (status < 0) fputs(sentence, stderr), fputc('\n', stderr), exit(1); }

int main(int count, char **words) {
    stlm_model *model; stlm_session *session; struct stlm_options options; const char *text; size_t bytes; int32_t status;
    if (count != 3) return fputs("usage: ten-lines MODEL PROMPT\n", stderr), 2;
    check(stlm_model_open(model_memory, sizeof model_memory, words[1], &model), stlm_model_error(model));
    check(stlm_options_default(model, &options), stlm_model_error(model));
    check(stlm_session_open(model, &options, session_memory, sizeof session_memory, &session), stlm_model_error(model));
    check(stlm_prompt(session, words[2], strlen(words[2])), stlm_session_error(session));
    do {
        check(status = stlm_step(session), stlm_session_error(session));
        stlm_get_text(session, &text, &bytes);
        fwrite(text, 1, bytes, stdout);
    } while (status != STLM_ENDED);
    return putchar('\n') == EOF;
}
