#define _DEFAULT_SOURCE 1
#include "guard.h"

#include <signal.h>
#include <sys/mman.h>

/* A multiple of every size that pages have. */
#define PAGE ((size_t)65536)

static size_t whole_pages(size_t byte_count) { return (byte_count + PAGE - 1) / PAGE * PAGE; }

void *guard_reserve(size_t byte_count) {
    const size_t content = whole_pages(byte_count);
    char *map = mmap(0, content + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return 0;
    if (mprotect(map + PAGE, content, PROT_READ | PROT_WRITE) != 0) return 0;
    return map + PAGE + content;
}

void guard_release(void *end, size_t byte_count) {
    const size_t content = whole_pages(byte_count);
    munmap((char *)end - content - PAGE, content + 2 * PAGE);
}

void guard_catch(void (*handler)(int32_t signal)) {
    const struct sigaction action = {.sa_handler = handler};
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
    sigaction(SIGILL, &action, 0);
}
