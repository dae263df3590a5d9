#define _GNU_SOURCE
#include "supervisor.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static uint64_t interval, last; /* milliseconds; 0 where no watchdog is wanted */

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void notify(const char *message) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(address.sun_path, path, n);
    if (path[0] == '@') address.sun_path[0] = 0;
    const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return;
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (sendto(descriptor, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, size) < 0) {}
    close(descriptor);
}

static int is_own(const char *name) {
    const char *word = getenv(name);
    return word && strtol(word, 0, 10) == (long)getpid();
}

int supervisor_listener(void) {
    const char *count = getenv("LISTEN_FDS");
    if (!count || !is_own("LISTEN_PID") || strtol(count, 0, 10) < 1) return -1;
    fcntl(3, F_SETFD, FD_CLOEXEC);
    fcntl(3, F_SETFL, fcntl(3, F_GETFL) | O_NONBLOCK);
    return 3;
}

void supervisor_ready(void) {
    const char *microseconds = getenv("WATCHDOG_USEC");
    if (microseconds && (!getenv("WATCHDOG_PID") || is_own("WATCHDOG_PID"))) {
        /* Half of the time, as the manual advises. */
        interval = strtoull(microseconds, 0, 10) / 2000;
        if (interval == 0) interval = 1;
    }
    last = now();
    notify("READY=1");
}

void supervisor_stopping(void) { notify("STOPPING=1"); }

void supervisor_alive(void) {
    if (interval == 0 || now() - last < interval) return;
    last = now();
    notify("WATCHDOG=1");
}

int supervisor_wait(int most) {
    if (interval == 0) return most;
    const uint64_t passed = now() - last;
    const uint64_t left = passed >= interval ? 0 : interval - passed;
    return left < (uint64_t)most ? (int)left : most;
}
