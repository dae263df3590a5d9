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
   `work` and `context` stay valid for it.

   Threads spin between jobs for a while and then sleep; nobody is woken who does not sleep, so that steady work makes no system call. A
   thread whose core another process takes in the midst of a part would hold up the caller for a time slice again and again: after
   such a stall the caller works alone for a while, twice as long each time. */
struct pool {
    _Alignas(64) _Atomic uint64_t claim;
    _Atomic uint32_t part_count;
    stlm_pool_work work;
    void *context;
    _Alignas(64) _Atomic uint32_t job;
    _Atomic uint32_t sleepers; /* threads that wait for a job */
    _Atomic uint32_t stopping;
    _Alignas(64) _Atomic uint32_t done;
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) uint64_t alone_until; /* the caller's own, as is what follows */
    uint64_t alone_nanoseconds;
    uint64_t good_since;
    uint32_t thread_count;
    pthread_t threads[STLM_POOL_THREADS_MAX];
};

_Static_assert(sizeof(struct pool) <= STLM_POOL_BYTES, "the pool fits its memory");

/* How long a thread looks for the next job before it sleeps: more than lies between two jobs of a token. */
#define SPIN_NANOSECONDS 60000u
/* A wait for the last part that only a thread without a core explains, and what follows from it. */
#define STALL_NANOSECONDS 300000u
#define LEAST_ALONE_NANOSECONDS 8000000u
#define MOST_ALONE_NANOSECONDS 1000000000u

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

/* Waits until *word is no longer `value`, spinning for `nanoseconds` at most; what it is then. */
static uint32_t spin(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds) {
    uint32_t now = atomic_load(word);
    uint64_t start = 0;
    for (uint32_t round = 1; now == value; round++) {
        pause_briefly();
        now = atomic_load_explicit(word, memory_order_acquire);
        if (round % 64 == 0) {
            const uint64_t time = stlm_clock_nanoseconds();
            if (start == 0) start = time;
            if (time - start > nanoseconds) break;
        }
    }
    return now;
}

/* Claims and does parts of job `job` until none is left. */
static void take_parts(struct pool *pool, uint32_t job, uint32_t part_count) {
    for (;;) {
        uint64_t claim = atomic_load(&pool->claim);
        do {
            if ((uint32_t)(claim >> 32) != job || (uint32_t)claim >= part_count) return;
        } while (!atomic_compare_exchange_weak(&pool->claim, &claim, claim + 1));
        pool->work(pool->context, (uint32_t)claim);
        if (atomic_fetch_add(&pool->done, 1) + 1 == part_count && atomic_load(&pool->caller_sleeps)) futex_wake(&pool->done);
    }
}

static void *serve(void *argument) {
    struct pool *pool = argument;
    uint32_t seen = 0;
    for (;;) {
        uint32_t job = spin(&pool->job, seen, SPIN_NANOSECONDS);
        if (job == seen) {
            atomic_fetch_add(&pool->sleepers, 1);
            while ((job = atomic_load(&pool->job)) == seen) futex_wait(&pool->job, seen);
            atomic_fetch_sub(&pool->sleepers, 1);
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
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->caller_sleeps, 0);
    atomic_init(&pool->stopping, 0);
    pool->alone_until = pool->good_since = 0;
    pool->alone_nanoseconds = LEAST_ALONE_NANOSECONDS;
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

/* Waits for the last part, and notes whether some thread seems to have lost its core. */
static void wait_for_parts(struct pool *pool, uint32_t part_count) {
    uint32_t done = atomic_load(&pool->done);
    while (done != part_count) {
        const uint32_t next = spin(&pool->done, done, SPIN_NANOSECONDS);
        if (next == done) break;
        done = next;
    }
    if (done == part_count) return;
    const uint64_t start = stlm_clock_nanoseconds();
    atomic_store(&pool->caller_sleeps, 1);
    while ((done = atomic_load(&pool->done)) != part_count) futex_wait(&pool->done, done);
    atomic_store(&pool->caller_sleeps, 0);
    const uint64_t end = stlm_clock_nanoseconds();
    if (end - start < STALL_NANOSECONDS) return;
    /* Undisturbed for as long as the caller was alone before: begin anew. */
    if (start - pool->good_since > pool->alone_nanoseconds) pool->alone_nanoseconds = LEAST_ALONE_NANOSECONDS;
    pool->alone_until = pool->good_since = end + pool->alone_nanoseconds;
    if (pool->alone_nanoseconds < MOST_ALONE_NANOSECONDS) pool->alone_nanoseconds *= 2;
}

void stlm_pool_run(void *memory, stlm_pool_work work, void *context, size_t part_count) {
    struct pool *pool = memory;
    const int alone = pool->thread_count == 1 || part_count < 2
        || (pool->alone_until && stlm_clock_nanoseconds() < pool->alone_until);
    if (alone) {
        for (size_t part = 0; part < part_count; part++) work(context, part);
        return;
    }
    pool->alone_until = 0;
    const uint32_t job = atomic_load(&pool->job) + 1;
    /* First close the old job: whoever reads the new part_count finds that nothing is left to claim under the old number. */
    atomic_store(&pool->claim, (uint64_t)job << 32 | UINT32_MAX);
    pool->work = work;
    pool->context = context;
    atomic_store(&pool->part_count, (uint32_t)part_count);
    atomic_store(&pool->done, 0);
    atomic_store(&pool->claim, (uint64_t)job << 32);
    atomic_store(&pool->job, job);
    if (atomic_load(&pool->sleepers)) futex_wake(&pool->job);
    take_parts(pool, job, (uint32_t)part_count);
    wait_for_parts(pool, (uint32_t)part_count);
}

void stlm_pool_stop(void *memory) {
    struct pool *pool = memory;
    atomic_store(&pool->stopping, 1);
    atomic_fetch_add(&pool->job, 1);
    futex_wake(&pool->job);
    for (uint32_t k = 1; k < pool->thread_count; k++) pthread_join(pool->threads[k], 0);
    pool->thread_count = 1;
}
