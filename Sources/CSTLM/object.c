#include "stlm_object.h"
#include "stlm.h"

_Static_assert(sizeof(struct stlm_object) <= STLM_ALIGNMENT, "the object stands in a line of its own");
_Static_assert(sizeof(struct stlm_options) == 64, "the options are those of c-abi-1");
_Static_assert(sizeof(struct stlm_model_info) == 40, "the facts of a model are those of c-abi-1");
_Static_assert(sizeof(struct stlm_progress) == 24, "the progress is that of c-abi-1");

void stlm_object_begin(struct stlm_object *object, uint64_t magic) {
    __atomic_store_n(&object->busy, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&object->cancelled, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&object->users, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&object->magic, magic, __ATOMIC_RELEASE);
}

void stlm_object_end(struct stlm_object *object) {
    __atomic_store_n(&object->magic, 0, __ATOMIC_RELEASE);
    stlm_object_leave(object);
}

int32_t stlm_object_is(const struct stlm_object *object, uint64_t magic) {
    return __atomic_load_n(&object->magic, __ATOMIC_ACQUIRE) == magic;
}

int32_t stlm_object_enter(struct stlm_object *object, uint64_t magic) {
    if (!stlm_object_is(object, magic)) return 1;
    if (__atomic_exchange_n(&object->busy, 1, __ATOMIC_ACQUIRE)) return 2;
    /* The thread that was in it may have closed it. */
    if (stlm_object_is(object, magic)) return 0;
    stlm_object_leave(object);
    return 1;
}

void stlm_object_leave(struct stlm_object *object) { __atomic_store_n(&object->busy, 0, __ATOMIC_RELEASE); }

void stlm_object_cancel(struct stlm_object *object) { __atomic_store_n(&object->cancelled, 1, __ATOMIC_RELEASE); }

int32_t stlm_object_take_cancel(struct stlm_object *object) {
    return __atomic_load_n(&object->cancelled, __ATOMIC_RELAXED) && __atomic_exchange_n(&object->cancelled, 0, __ATOMIC_ACQUIRE);
}

void stlm_object_add_user(struct stlm_object *object) { __atomic_add_fetch(&object->users, 1, __ATOMIC_RELAXED); }

void stlm_object_remove_user(struct stlm_object *object) { __atomic_sub_fetch(&object->users, 1, __ATOMIC_RELEASE); }

int32_t stlm_object_users(const struct stlm_object *object) { return __atomic_load_n(&object->users, __ATOMIC_ACQUIRE); }
