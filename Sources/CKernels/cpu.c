/* What this CPU runs. */
#include "stlm_kernels.h"

#define SET(name) (1u << STLM_KERNELS_##name)

#if defined(__x86_64__)

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(subleaf));
}

static int has(uint32_t word, int bit) { return word >> bit & 1; }

uint32_t stlm_kernels_available(void) {
    uint32_t r[4], low, high, sets = SET(BASELINE);
    cpuid(0, 0, r);
    if (r[0] < 7) return sets;
    cpuid(1, 0, r);
    /* The system does not save vector registers (OSXSAVE), or there is no PCLMULQDQ, which every CPU with AVX2 has. */
    if (!has(r[2], 27) || !has(r[2], 1)) return sets;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x06) != 0x06) return sets; /* XMM and YMM state */
    cpuid(7, 0, r);
    const uint32_t b = r[1], c = r[2];
    if (!has(b, 5)) return sets;
    sets |= SET(AVX2);
    cpuid(7, 1, r);
    if (has(r[0], 4)) sets |= SET(AVXVNNI);
    /* Opmask and upper ZMM state; F, DQ, BMI2, BW, VL; VNNI */
    if ((low & 0xE0) == 0xE0 && has(b, 16) && has(b, 17) && has(b, 8) && has(b, 30) && has(b, 31) && has(c, 11)) sets |= SET(AVX512);
    return sets;
}

#elif defined(__ARM_NEON) && defined(__linux__)
#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2 in the kernel's interface. */
uint32_t stlm_kernels_available(void) {
    uint32_t sets = SET(BASELINE);
#if defined(__aarch64__)
    const unsigned long first = getauxval(16), second = getauxval(26);
    sets |= SET(NEON); /* every ARMv8 CPU of Linux has it */
    if (first >> 20 & 1) sets |= SET(DOTPROD);
    if ((first >> 20 & 1) && (second >> 13 & 1)) sets |= SET(I8MM);
#else
    if (getauxval(16) >> 12 & 1) sets |= SET(NEON);
#endif
    return sets;
}

#else

uint32_t stlm_kernels_available(void) { return SET(BASELINE); }

#endif
