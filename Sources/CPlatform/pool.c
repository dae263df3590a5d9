#define _GNU_SOURCE
#include "stlm_platform.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Part p of a job belongs to thread p mod n, n the threads that the job is for. A job is announced by one store; each thread takes its
   share by a mark in a place of its own and leaves another when it is done, so that a job costs the caller two ways between cores. What a
   thread has not taken when the caller is done with its own share the caller takes: nobody waits for a thread that has not begun.

   Threads spin between jobs for a while and then sleep; nobody is woken who does not sleep, so that steady work makes no system call. A
   thread whose core another process takes in the midst of its share would hold up the caller for a time slice again and again: after
   such a stall the caller works alone for a while, twice as long each time. */

/* A thread's mark: the number of the last job of which it, or the caller for it, took the share, and whether that is done. */
struct share {
    _Alignas(64) _Atomic uint64_t mark;
};
#define TAKEN(job) ((job) << 1)
#define DONE(job) ((job) << 1 | 1)

struct pool {
    /* The job's number times 128, and the threads that it is for; alone in its line, which all threads watch. */
    _Alignas(64) _Atomic uint64_t job;
    _Alignas(64) stlm_pool_work work;
    void *context;
    size_t part_count;
    _Alignas(64) _Atomic uint32_t sleepers; /* threads that may be asleep */
    _Atomic uint32_t stopping;
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) uint64_t alone_until; /* the caller's own, as is what follows */
    uint64_t alone_nanoseconds;
    uint64_t good_since;
    uint32_t thread_count;
    pthread_t threads[STLM_POOL_THREADS_MAX];
    struct share shares[STLM_POOL_THREADS_MAX]; /* that of the caller is not used */
};

_Static_assert(sizeof(struct pool) <= STLM_POOL_BYTES, "the pool fits its memory");

/* How long a thread looks for the next job before it sleeps: more than lies between two jobs of a token. */
#define SPIN_NANOSECONDS 60000u
/* A wait for a share that only a thread without a core explains, and what follows from it. */
#define STALL_NANOSECONDS 200000u
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

/* The low half of a word, which changes whenever the word does. */
static uint32_t *low_half(_Atomic uint64_t *word) {
    uint32_t *halves = (uint32_t *)word;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    halves++;
#endif
    return halves;
}

static void futex_wait(_Atomic uint64_t *word, uint64_t value) {
    syscall(SYS_futex, low_half(word), FUTEX_WAIT_PRIVATE, (uint32_t)value, 0, 0, 0);
}

static void futex_wake(_Atomic uint64_t *word) { syscall(SYS_futex, low_half(word), FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0); }

/* Waits until *word is no longer `value`, spinning for `nanoseconds` at most; what it is then. */
static uint64_t spin(_Atomic uint64_t *word, uint64_t value, uint64_t nanoseconds) {
    uint64_t now = atomic_load_explicit(word, memory_order_acquire), start = 0;
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

/* What thread `index` of `count` has to do of the job at hand. */
static void do_share(struct pool *pool, uint32_t index, uint32_t count) {
    for (size_t part = index; part < pool->part_count; part += count) pool->work(pool->context, part);
}

static void serve_one(struct pool *pool, uint32_t index, uint64_t announced) {
    const uint64_t job = announced >> 7;
    const uint32_t count = (uint32_t)(announced & 127);
    if (index >= count) return;
    _Atomic uint64_t *mark = &pool->shares[index].mark;
    uint64_t before = atomic_load(mark);
    /* Too late: the caller has done it, and may be at another job. Once taken, this job lasts until it is done. */
    if (before >= TAKEN(job) || !atomic_compare_exchange_strong(mark, &before, TAKEN(job))) return;
    do_share(pool, index, count);
    atomic_store(mark, DONE(job));
    if (atomic_load(&pool->caller_sleeps)) futex_wake(mark);
}

static void *serve(void *argument) {
    struct share *own = argument;
    /* The pool is found by the place of the thread's share, which its number is not known without. */
    const uint64_t index = atomic_load(&own->mark);
    struct pool *pool = (struct pool *)((char *)(own - index) - offsetof(struct pool, shares));
    atomic_store(&own->mark, 0);
    uint64_t seen = 0;
    for (;;) {
        uint64_t job = spin(&pool->job, seen, SPIN_NANOSECONDS);
        while (job == seen) {
            atomic_fetch_add(&pool->sleepers, 1);
            job = atomic_load(&pool->job);
            if (job == seen) futex_wait(&pool->job, seen);
            job = atomic_load(&pool->job);
        }
        if (atomic_load(&pool->stopping)) return 0;
        seen = job;
        serve_one(pool, (uint32_t)index, job);
    }
}

int32_t stlm_pool_start(void *memory, uint32_t thread_count) {
    struct pool *pool = memory;
    atomic_init(&pool->job, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->stopping, 0);
    atomic_init(&pool->caller_sleeps, 0);
    pool->alone_until = pool->good_since = 0;
    pool->alone_nanoseconds = LEAST_ALONE_NANOSECONDS;
    pool->thread_count = 1;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024 < PTHREAD_STACK_MIN ? PTHREAD_STACK_MIN : 128 * 1024);
    int error = 0;
    for (uint32_t k = 1; k < thread_count && k < STLM_POOL_THREADS_MAX && !error; k++) {
        atomic_init(&pool->shares[k].mark, k);
        error = pthread_create(&pool->threads[k], &attributes, serve, &pool->shares[k]);
        if (error) break;
        pool->thread_count++;
        /* Until the thread has read its number, no job may use the place. */
        while (atomic_load(&pool->shares[k].mark) != 0) pause_briefly();
    }
    pthread_attr_destroy(&attributes);
    if (error) stlm_pool_stop(pool);
    return error;
}

/* Waits for a share that was taken, and notes whether its thread seems to have lost its core. */
static void wait_for_share(struct pool *pool, _Atomic uint64_t *mark, uint64_t job) {
    if (spin(mark, TAKEN(job), SPIN_NANOSECONDS) != TAKEN(job)) return;
    const uint64_t start = stlm_clock_nanoseconds();
    atomic_store(&pool->caller_sleeps, 1);
    while (atomic_load(mark) == TAKEN(job)) futex_wait(mark, TAKEN(job));
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
    const uint32_t count = part_count < pool->thread_count ? (uint32_t)part_count : pool->thread_count;
    const uint64_t job = (atomic_load_explicit(&pool->job, memory_order_relaxed) >> 7) + 1;
    pool->work = work;
    pool->context = context;
    pool->part_count = part_count;
    atomic_store(&pool->job, job << 7 | count);
    /* Who sleeps from here on has seen this job. */
    if (atomic_load(&pool->sleepers) && atomic_exchange(&pool->sleepers, 0)) futex_wake(&pool->job);
    do_share(pool, 0, count);
    for (uint32_t k = 1; k < count; k++) {
        _Atomic uint64_t *mark = &pool->shares[k].mark;
        uint64_t now = atomic_load_explicit(mark, memory_order_acquire);
        if (now < TAKEN(job) && atomic_compare_exchange_strong(mark, &now, DONE(job))) do_share(pool, k, count);
        else if (now == TAKEN(job)) wait_for_share(pool, mark, job);
    }
}

void stlm_pool_stop(void *memory) {
    struct pool *pool = memory;
    atomic_store(&pool->stopping, 1);
    atomic_fetch_add(&pool->job, 128);
    futex_wake(&pool->job);
    for (uint32_t k = 1; k < pool->thread_count; k++) pthread_join(pool->threads[k], 0);
    pool->thread_count = 1;
}
