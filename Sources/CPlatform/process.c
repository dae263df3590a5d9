#define _GNU_SOURCE
#include "stlm_platform.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t stlm_clock_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t stlm_random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed) return seed;
    return stlm_clock_nanoseconds();
}

int32_t stlm_is_terminal(int32_t descriptor) { return isatty(descriptor); }

const char *stlm_environment(const char *name) { return getenv(name); }

const char *stlm_error_text(int32_t error) { return strerror(error); }

uint32_t stlm_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (uint32_t)n;
}

/* The number of kB after `key` in /proc/self/status. */
static uint64_t kilobytes(const char *text, const char *key) {
    const char *p = strstr(text, key);
    uint64_t n = 0;
    if (!p) return 0;
    for (p += strlen(key); *p == ' ' || *p == '\t'; p++) {}
    for (; *p >= '0' && *p <= '9'; p++) n = n * 10 + (uint64_t)(*p - '0');
    return n;
}

void stlm_resident_bytes(uint64_t *now, uint64_t *peak) {
    char text[4096];
    size_t count = 0;
    *now = *peak = 0;
    const int descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    if (stlm_read(descriptor, text, sizeof text - 1, &count) == 0) {
        text[count] = 0;
        *now = kilobytes(text, "VmRSS:") * 1024;
        *peak = kilobytes(text, "VmHWM:") * 1024;
    }
    close(descriptor);
}

static volatile sig_atomic_t received;
_Static_assert(sizeof received == 4, "a futex");
#define FUTEX_WAKE_PRIVATE 129
#define FUTEX_WAIT_BITSET_PRIVATE 137

static void note(int number) {
    if (received && number == SIGINT) _exit(128 + SIGINT);
    received = number;
    const int error = errno;
    syscall(SYS_futex, &received, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
    errno = error;
}

void stlm_sleep_until(uint64_t nanoseconds) {
    /* What the kernel takes by this number on 32 bits too. */
    const long time[2] = {(long)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    /* Unlike clock_nanosleep it does not sleep on what came just before, or to another thread. */
    while (!received && syscall(SYS_futex, &received, FUTEX_WAIT_BITSET_PRIVATE, 0, time, 0, UINT32_MAX) != 0 && errno == EINTR) {}
}

int32_t stlm_nice(int32_t increment) {
    errno = 0;
    return nice(increment) == -1 ? errno : 0;
}

int32_t stlm_niceness(void) { return getpriority(PRIO_PROCESS, 0); }

void stlm_signals_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    sigaction(SIGINT, &action, 0);
    sigaction(SIGTERM, &action, 0);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, 0);
    sigaction(SIGXFSZ, &action, 0);
}

int32_t stlm_signal_received(void) { return received; }

_Noreturn void stlm_exit(int32_t status) { _exit(status); }
