#define _GNU_SOURCE
#include "stlm_platform.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A job goes to some of the threads, the caller among them; of these the r-th of n does the parts r, r + n, r + 2 n... A job is announced by one
   store. Each thread takes its share by a mark in a place of its own and leaves another when it is done, so that a job costs the caller
   two ways between cores. What a thread has not taken when the caller is done with its own share the caller takes: nobody waits for a
   thread that has not begun.

   Threads spin between jobs for a while and then sleep; nobody is woken who does not sleep, so that steady work makes no system call. A
   thread whose core another process takes would hold up the caller for a time slice again and again, or spin on the caller's own core:
   one that takes far longer than the caller, or does not begin at all for a while, and that again and again, is left out for a time, twice
   as long each time. */

/* A thread's mark: the number of the last job of which it, or the caller for it, took the share, and whether that is done; and what the
   caller knows of it. */
struct share {
    _Alignas(64) _Atomic uint64_t mark;
    _Alignas(64) uint64_t away_until; /* is left out until then */
    uint64_t away_nanoseconds;        /* how long the next time */
    uint64_t back_since;
    uint64_t absent_since; /* has begun no job since then; 0 if it has */
};
#define TAKEN(number) ((uint64_t)(number) << 1)
#define DONE(number) ((uint64_t)(number) << 1 | 1)

struct pool {
    /* The job's number, and above it a bit for each thread that it goes to; alone in its line, which all threads watch. */
    _Alignas(64) _Atomic uint64_t job;
    _Alignas(64) stlm_pool_work work;
    void *context;
    size_t part_count;
    uint64_t began;
    uint32_t at_hand; /* a bit for each thread that the job goes to, the caller among them */
    _Alignas(64) _Atomic uint32_t sleepers; /* threads that may be asleep */
    _Atomic uint32_t stopping;
    _Atomic uint32_t caller_sleeps;
    uint32_t thread_count;
    pthread_t threads[STLM_POOL_THREADS_MAX];
    struct share shares[STLM_POOL_THREADS_MAX]; /* that of the caller is not used */
};

_Static_assert(sizeof(struct pool) <= STLM_POOL_BYTES, "the pool fits its memory");

/* How long a thread looks for the next job before it sleeps: more than lies between two jobs of a token. */
#define SPIN_NANOSECONDS 60000u
/* How long a thread may fail to begin: longer than it takes to wake. */
#define ABSENT_NANOSECONDS 500000u
/* How long it is left out then, first and at most. */
#define LEAST_AWAY_NANOSECONDS 8000000u
#define MOST_AWAY_NANOSECONDS 256000000u

/* Of the kernel's futex interface; its header is not on every cross machine. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

static void pause_briefly(void) {
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#elif defined(__arm__) && __ARM_ARCH >= 6
    __asm__ volatile("yield");
#elif defined(__riscv)
    __asm__ volatile(".4byte 0x0100000f"); /* pause; older CPUs take it for a fence */
#endif
}

/* The low half of a word: of a job its number, of a mark what changes from job to job. */
static uint32_t *low_half(_Atomic uint64_t *word) {
    return (uint32_t *)word;
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

/* What thread `index` of those in `threads` has to do of the job at hand. */
static void do_share(struct pool *pool, uint32_t index, uint32_t threads) {
    const uint32_t count = (uint32_t)__builtin_popcount(threads), rank = (uint32_t)__builtin_popcount(threads & ((1u << index) - 1));
    for (size_t part = rank; part < pool->part_count; part += count) pool->work(pool->context, part);
}

static void serve_one(struct pool *pool, uint32_t index, uint64_t job) {
    const uint32_t number = (uint32_t)job, threads = (uint32_t)(job >> 32);
    if (!(threads >> index & 1)) return;
    _Atomic uint64_t *mark = &pool->shares[index].mark;
    uint64_t before = atomic_load(mark);
    /* Too late: the caller has done it, and may be at another job. (Numbers wrap.) Once taken, this job lasts until it is done. */
    if ((int32_t)((uint32_t)(before >> 1) - number) >= 0 || !atomic_compare_exchange_strong(mark, &before, TAKEN(number))) return;
    do_share(pool, index, threads);
    atomic_store(mark, DONE(number));
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
    pool->thread_count = 1;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024 < PTHREAD_STACK_MIN ? PTHREAD_STACK_MIN : 128 * 1024);
    int error = 0;
    for (uint32_t k = 1; k < thread_count && k < STLM_POOL_THREADS_MAX && !error; k++) {
        struct share *share = &pool->shares[k];
        share->away_until = share->back_since = share->absent_since = 0;
        share->away_nanoseconds = LEAST_AWAY_NANOSECONDS;
        atomic_init(&share->mark, k);
        error = pthread_create(&pool->threads[k], &attributes, serve, share);
        if (error) break;
        pool->thread_count++;
        /* Until the thread has read its number, no job may use the place. */
        while (atomic_load(&share->mark) != 0) pause_briefly();
    }
    pthread_attr_destroy(&attributes);
    if (error) stlm_pool_stop(pool);
    return error;
}

/* Leaves a thread out for a time, if it has not been of use for far longer than what it cost now: an occasional loss is cheaper. */
static void leave_out(struct share *share, uint64_t now, uint64_t lost) {
    const uint64_t good = now - share->back_since;
    share->absent_since = 0;
    share->back_since = now;
    if (good > 16 * lost) {
        share->away_nanoseconds = LEAST_AWAY_NANOSECONDS;
        return;
    }
    share->back_since = share->away_until = now + share->away_nanoseconds;
    if (share->away_nanoseconds < MOST_AWAY_NANOSECONDS) share->away_nanoseconds *= 2;
}

/* Waits for a share that was taken, of a job that began then. */
static void wait_for_share(struct pool *pool, struct share *share, uint32_t number, uint64_t began) {
    if (spin(&share->mark, TAKEN(number), SPIN_NANOSECONDS) != TAKEN(number)) return;
    const uint64_t start = stlm_clock_nanoseconds();
    atomic_store(&pool->caller_sleeps, 1);
    while (atomic_load(&share->mark) == TAKEN(number)) futex_wait(&share->mark, TAKEN(number));
    atomic_store(&pool->caller_sleeps, 0);
    /* Twice the caller's own share is no matter of fortune. */
    const uint64_t end = stlm_clock_nanoseconds(), own = start - SPIN_NANOSECONDS - began;
    if (end - began > 2 * own) leave_out(share, end, end - began);
}

/* A bit for each thread that a job goes to. */
static uint32_t threads_at_hand(const struct pool *pool, size_t part_count, uint64_t now) {
    uint32_t threads = 1;
    size_t count = 1;
    for (uint32_t k = 1; k < pool->thread_count && count < part_count; k++) {
        if (pool->shares[k].away_until > now) continue;
        threads |= 1u << k;
        count++;
    }
    return threads;
}

void stlm_pool_begin(void *memory, stlm_pool_work work, void *context, size_t part_count) {
    struct pool *pool = memory;
    const uint64_t began = stlm_clock_nanoseconds();
    const uint32_t threads = threads_at_hand(pool, part_count, began);
    pool->work = work;
    pool->context = context;
    pool->part_count = part_count;
    pool->began = began;
    pool->at_hand = threads;
    if (threads == 1) return;
    const uint32_t number = (uint32_t)atomic_load_explicit(&pool->job, memory_order_relaxed) + 1;
    atomic_store(&pool->job, (uint64_t)threads << 32 | number);
    /* Who sleeps from here on has seen this job. */
    if (atomic_load(&pool->sleepers) && atomic_exchange(&pool->sleepers, 0)) futex_wake(&pool->job);
}

void stlm_pool_finish(void *memory) {
    struct pool *pool = memory;
    const uint64_t began = pool->began;
    const uint32_t threads = pool->at_hand, number = (uint32_t)atomic_load_explicit(&pool->job, memory_order_relaxed);
    do_share(pool, 0, threads);
    for (uint32_t k = 1; k < pool->thread_count; k++) {
        if (!(threads >> k & 1)) continue;
        struct share *share = &pool->shares[k];
        uint64_t mark = atomic_load_explicit(&share->mark, memory_order_acquire);
        if (mark >> 1 != number && atomic_compare_exchange_strong(&share->mark, &mark, DONE(number))) {
            do_share(pool, k, threads);
            if (share->absent_since == 0) share->absent_since = began;
            else if (began - share->absent_since > ABSENT_NANOSECONDS) leave_out(share, began, ABSENT_NANOSECONDS);
            continue;
        }
        share->absent_since = 0;
        if (mark == TAKEN(number)) wait_for_share(pool, share, number, began);
    }
}

void stlm_pool_run(void *memory, stlm_pool_work work, void *context, size_t part_count) {
    stlm_pool_begin(memory, work, context, part_count);
    stlm_pool_finish(memory);
}

void stlm_pool_stop(void *memory) {
    struct pool *pool = memory;
    atomic_store(&pool->stopping, 1);
    atomic_fetch_add(&pool->job, 1);
    futex_wake(&pool->job);
    for (uint32_t k = 1; k < pool->thread_count; k++) pthread_join(pool->threads[k], 0);
    pool->thread_count = 1;
}

int32_t stlm_count_add(int32_t *count, int32_t by) { return __atomic_add_fetch(count, by, __ATOMIC_ACQ_REL); }
