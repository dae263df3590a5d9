/* What stands before a model or session in its memory, and the only fields that more than one thread may touch. Not for programs. */
#ifndef STLM_OBJECT_H
#define STLM_OBJECT_H

#include <stdint.h>

#define STLM_OBJECT_NOALLOC __attribute__((swift_attr("@_noAllocation")))

struct stlm_object {
    uint64_t magic;     /* which kind it is, and that it is open */
    uint32_t busy;      /* a thread is in it */
    uint32_t cancelled; /* of a session */
    int32_t users;      /* of a model: its open sessions */
};

/* Open from here on, with a thread in it. */
STLM_OBJECT_NOALLOC void stlm_object_begin(struct stlm_object *object, uint64_t magic);
/* Closed from here on. */
STLM_OBJECT_NOALLOC void stlm_object_end(struct stlm_object *object);
/* 0, or 1 if no such object is open there, or 2 if a thread is in it. */
STLM_OBJECT_NOALLOC int32_t stlm_object_enter(struct stlm_object *object, uint64_t magic);
STLM_OBJECT_NOALLOC void stlm_object_leave(struct stlm_object *object);
STLM_OBJECT_NOALLOC int32_t stlm_object_is(const struct stlm_object *object, uint64_t magic);

STLM_OBJECT_NOALLOC void stlm_object_cancel(struct stlm_object *object);
/* Whether it was cancelled since the last call. */
STLM_OBJECT_NOALLOC int32_t stlm_object_take_cancel(struct stlm_object *object);

STLM_OBJECT_NOALLOC void stlm_object_add_user(struct stlm_object *object);
STLM_OBJECT_NOALLOC void stlm_object_remove_user(struct stlm_object *object);
/* Their number. */
STLM_OBJECT_NOALLOC int32_t stlm_object_users(const struct stlm_object *object);

#endif
