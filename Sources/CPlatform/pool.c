#define _GNU_SOURCE
#include "stlm_platform.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Parts are claimed one by one from `claim`: the high half is the job's number, the low half the next part. A thread that is late
   for a job finds another number there and claims nothing; one that holds a part keeps the job from ending, so that
   `work` and `context` stay valid for it. */
struct pool {
    _Atomic uint64_t claim;
    _Atomic uint32_t done;
    _Atomic uint32_t job;
    _Atomic uint32_t stopping;
    _Atomic uint32_t part_count;
    uint32_t thread_count;
    stlm_pool_work work;
    void *context;
    pthread_t threads[STLM_POOL_THREADS_MAX];
};

_Static_assert(sizeof(struct pool) <= STLM_POOL_BYTES, "the pool fits its memory");

#define SPINS 4000

/* Of the kernel's futex interface; its header is not on every cross machine. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

static void pause_briefly(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void futex_wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0); }

/* Claims and does parts of job `job` until none is left. */
static void take_parts(struct pool *pool, uint32_t job, uint32_t part_count) {
    for (;;) {
        uint64_t claim = atomic_load(&pool->claim);
        do {
            if ((uint32_t)(claim >> 32) != job || (uint32_t)claim >= part_count) return;
        } while (!atomic_compare_exchange_weak(&pool->claim, &claim, claim + 1));
        pool->work(pool->context, (uint32_t)claim);
        if (atomic_fetch_add(&pool->done, 1) + 1 == part_count) futex_wake(&pool->done);
    }
}

static void *serve(void *argument) {
    struct pool *pool = argument;
    uint32_t seen = 0;
    for (;;) {
        uint32_t job = atomic_load(&pool->job);
        for (int spin = 0; job == seen && spin < SPINS; spin++) {
            pause_briefly();
            job = atomic_load(&pool->job);
        }
        while (job == seen) {
            futex_wait(&pool->job, seen);
            job = atomic_load(&pool->job);
        }
        if (atomic_load(&pool->stopping)) return 0;
        seen = job;
        take_parts(pool, job, atomic_load(&pool->part_count));
    }
}

int32_t stlm_pool_start(void *memory, uint32_t thread_count) {
    struct pool *pool = memory;
    atomic_init(&pool->claim, 0);
    atomic_init(&pool->done, 0);
    atomic_init(&pool->job, 0);
    atomic_init(&pool->stopping, 0);
    pool->thread_count = 1;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024 < PTHREAD_STACK_MIN ? PTHREAD_STACK_MIN : 128 * 1024);
    int error = 0;
    for (uint32_t k = 1; k < thread_count && k < STLM_POOL_THREADS_MAX && !error; k++) {
        error = pthread_create(&pool->threads[k], &attributes, serve, pool);
        if (!error) pool->thread_count++;
    }
    pthread_attr_destroy(&attributes);
    if (error) stlm_pool_stop(pool);
    return error;
}

void stlm_pool_run(void *memory, stlm_pool_work work, void *context, size_t part_count) {
    struct pool *pool = memory;
    if (pool->thread_count == 1 || part_count < 2) {
        for (size_t part = 0; part < part_count; part++) work(context, part);
        return;
    }
    const uint32_t job = atomic_load(&pool->job) + 1;
    /* First close the old job: whoever reads the new part_count finds that nothing is left to claim under the old number. */
    atomic_store(&pool->claim, (uint64_t)job << 32 | UINT32_MAX);
    pool->work = work;
    pool->context = context;
    atomic_store(&pool->part_count, (uint32_t)part_count);
    atomic_store(&pool->done, 0);
    atomic_store(&pool->claim, (uint64_t)job << 32);
    atomic_store(&pool->job, job);
    futex_wake(&pool->job);
    take_parts(pool, job, (uint32_t)part_count);
    uint32_t done = atomic_load(&pool->done);
    for (int spin = 0; done != part_count && spin < SPINS; spin++) {
        pause_briefly();
        done = atomic_load(&pool->done);
    }
    while (done != part_count) {
        futex_wait(&pool->done, done);
        done = atomic_load(&pool->done);
    }
}

void stlm_pool_stop(void *memory) {
    struct pool *pool = memory;
    atomic_store(&pool->stopping, 1);
    atomic_fetch_add(&pool->job, 1);
    futex_wake(&pool->job);
    for (uint32_t k = 1; k < pool->thread_count; k++) pthread_join(pool->threads[k], 0);
    pool->thread_count = 1;
}
