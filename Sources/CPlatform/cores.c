/* How many threads are worth starting. */
#define _GNU_SOURCE
#include "stlm_platform.h"
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* The first number in a file of the kernel's under `root`, or `otherwise`. `path` may have one %, which stands for `cpu`; `second` gets the
   number after it, if it is wanted. */
static long number_in(const char *root, const char *path, int cpu, long otherwise, long *second) {
    char name[256], text[64], digits[12];
    size_t n = strlen(root), count = 0, k = 0;
    if (n > sizeof name / 2) return otherwise;
    memcpy(name, root, n);
    for (; *path && n < sizeof name - 12; path++) {
        if (*path != '%') {
            name[n++] = *path;
            continue;
        }
        int rest = cpu;
        do digits[k++] = (char)('0' + rest % 10);
        while ((rest /= 10) > 0);
        while (k > 0) name[n++] = digits[--k];
    }
    name[n] = 0;
    const int descriptor = open(name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return otherwise;
    const int32_t error = stlm_read(descriptor, text, sizeof text - 1, &count);
    close(descriptor);
    if (error || count == 0 || text[0] < '0' || text[0] > '9') return otherwise;
    long value = 0;
    size_t i = 0;
    for (; i < count && text[i] >= '0' && text[i] <= '9'; i++) value = value * 10 + (text[i] - '0');
    if (second) {
        *second = 0;
        for (i++; i < count && text[i] >= '0' && text[i] <= '9'; i++) *second = *second * 10 + (text[i] - '0');
    }
    return value;
}

/* What a core can do beside others: the scheduler's capacity (ARM), else its highest frequency, else alike. */
static long speed_of(const char *root, int cpu) {
    const long capacity = number_in(root, "/sys/devices/system/cpu/cpu%/cpu_capacity", cpu, 0, 0);
    if (capacity) return capacity;
    return number_in(root, "/sys/devices/system/cpu/cpu%/cpufreq/cpuinfo_max_freq", cpu, 1, 0);
}

static int is_set(const uint8_t *cpus, int cpu) { return cpus[cpu / 8] >> cpu % 8 & 1; }

uint32_t stlm_fast_core_count_under(const char *root, const uint8_t *cpus, uint32_t cpu_limit) {
    const int limit = (int)cpu_limit;
    long fastest = 0;
    for (int cpu = 0; cpu < limit; cpu++) {
        if (!is_set(cpus, cpu)) continue;
        const long speed = speed_of(root, cpu);
        if (speed > fastest) fastest = speed;
    }
    uint32_t count = 0;
    for (int cpu = 0; cpu < limit; cpu++) {
        if (!is_set(cpus, cpu)) continue;
        /* Of the threads of one core the first stands for all, where it is ours. */
        const long sibling = number_in(root, "/sys/devices/system/cpu/cpu%/topology/thread_siblings_list", cpu, cpu, 0);
        if (sibling != cpu && sibling < limit && is_set(cpus, (int)sibling)) continue;
        /* Small cores hold up large ones: a layer ends with its last part. */
        if (speed_of(root, cpu) * 4 >= fastest * 3) count++;
    }
    /* "200000 100000": time that a control group has, of each period. */
    long period = 0;
    const long quota = number_in(root, "/sys/fs/cgroup/cpu.max", 0, 0, &period);
    if (quota > 0 && period > 0) {
        const long cores = (quota + period - 1) / period;
        if (cores < (long)count) count = (uint32_t)cores;
    }
    return count < 1 ? 1 : count;
}

uint32_t stlm_fast_core_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    /* Of a little-endian CPU: bits in bytes are bits in words. */
    return stlm_fast_core_count_under("", (const uint8_t *)&set, CPU_SETSIZE);
}
