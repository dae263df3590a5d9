/* update NEW.stlm DIRECTORY, and how a service starts with what is there: README.md. */
#include "store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int misused(void) {
    fputs("usage: update NEW.stlm DIRECTORY\n"
          "       update --start DIRECTORY PROGRAM WORD...   PROGRAM with the model's path in place of the word {}\n"
          "       update --confirm DIRECTORY                 what was started works\n", stderr);
    return 2;
}

/* Becomes the service: the same process, as a supervisor expects. */
static int start(const char *directory, char **words) {
    static char model[4096];
    int places = 0;
    for (char **word = words + 1; *word; word++) places += strcmp(*word, "{}") == 0;
    if (places == 0) return misused();
    if (store_start(directory, model, sizeof model) != 0) return 1;
    for (char **word = words + 1; *word; word++)
        if (strcmp(*word, "{}") == 0) *word = model;
    execvp(words[0], words);
    fprintf(stderr, "update: %s cannot be started (%s)\n", words[0], strerror(errno));
    return 1;
}

int main(int count, char **words) {
    if (count >= 5 && strcmp(words[1], "--start") == 0) return start(words[2], words + 3);
    if (count != 3) return misused();
    if (strcmp(words[1], "--confirm") == 0) return store_confirm(words[2]) != 0;
    if (words[1][0] == '-') return misused();
    return store_update(words[1], words[2]) != 0;
}
