#include "stlm_kernels.h"

#if defined(__x86_64__)

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
}

uint32_t stlm_cpu_features(void) {
    uint32_t r[4], low, high, features = 0;
    cpuid(0, 0, r);
    if (r[0] < 7) return 0;
    cpuid(1, 0, r);
    if (!(r[2] & (1u << 27))) return 0; /* the system does not save vector registers (OSXSAVE) */
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 6) != 6) return 0; /* XMM and YMM state */
    cpuid(7, 0, r);
    if (r[1] & (1u << 5)) features |= STLM_CPU_AVX2;
    return features;
}

#else

uint32_t stlm_cpu_features(void) { return 0; }

#endif
