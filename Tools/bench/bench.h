/* What the measuring programs in C share. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* For qsort of uint64_t. */
static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Ends the program, whose name it is given, with a sentence. */
static void fail(const char *program, const char *sentence) {
    fprintf(stderr, "%s: %s\n", program, sentence);
    exit(1);
}

#endif
