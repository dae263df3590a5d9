/* A directory of model files that is never without one that works, whatever happens in between: README.md. */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>

/* A new model is given up when it was started so often and never confirmed. */
#define STORE_STARTS 3

/* Each returns 0, or -1 after a sentence on standard error. */

/* Puts a copy of a model file into the directory, checked on this CPU. It is on trial until it is confirmed. */
int store_update(const char *file, const char *directory);

/* The path of the model to serve: the newest that is right. One that is on trial has a start less then. */
int store_start(const char *directory, char *path, size_t capacity);

/* What was started last works: it is served from now on. */
int store_confirm(const char *directory);

#endif
