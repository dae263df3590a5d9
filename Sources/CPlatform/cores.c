/* How many threads are worth starting. */
#define _GNU_SOURCE
#include "stlm_platform.h"
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* The first number in a file of the kernel's, or `otherwise`. `path` may have one %, which stands for `cpu`; `second` gets the number
   after it, if it is wanted. */
static long number_in(const char *path, int cpu, long otherwise, long *second) {
    char name[128], text[64], digits[12];
    size_t n = 0, count = 0, k = 0;
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
static long speed_of(int cpu) {
    const long capacity = number_in("/sys/devices/system/cpu/cpu%/cpu_capacity", cpu, 0, 0);
    if (capacity) return capacity;
    return number_in("/sys/devices/system/cpu/cpu%/cpufreq/cpuinfo_max_freq", cpu, 1, 0);
}

uint32_t stlm_fast_core_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    long fastest = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        const long speed = speed_of(cpu);
        if (speed > fastest) fastest = speed;
    }
    uint32_t count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        /* Of the threads of one core the first stands for all, where it is ours. */
        const long sibling = number_in("/sys/devices/system/cpu/cpu%/topology/thread_siblings_list", cpu, cpu, 0);
        if (sibling != cpu && sibling < CPU_SETSIZE && CPU_ISSET((int)sibling, &set)) continue;
        /* Small cores hold up large ones: a layer ends with its last part. */
        if (speed_of(cpu) * 4 >= fastest * 3) count++;
    }
    /* "200000 100000": time that a control group has, of each period. */
    long period = 0;
    const long quota = number_in("/sys/fs/cgroup/cpu.max", 0, 0, &period);
    if (quota > 0 && period > 0) {
        const long cores = (quota + period - 1) / period;
        if (cores < (long)count) count = (uint32_t)cores;
    }
    return count < 1 ? 1 : count;
}
