/* CRC-32 (stlm-1, section 9) with instructions for it. */

#if defined(__x86_64__)
#include <immintrin.h>

/* a * x^n modulo the polynomial, for the two halves of 16 bytes; bits are in reverse. `factors` has x^(n + 32) and x^(n - 32). */
INLINE __m128i moved(__m128i a, __m128i factors) {
    return _mm_xor_si128(_mm_clmulepi64_si128(a, factors, 0x00), _mm_clmulepi64_si128(a, factors, 0x11));
}

/* Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009. */
static size_t checksum(uint32_t *state, const void *bytes, size_t byte_count) {
    if (byte_count < 64) return 0;
    const __m128i *p = bytes, *end = p + byte_count / 16;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(p), _mm_cvtsi32_si128((int)*state));
    __m128i b = _mm_loadu_si128(p + 1), c = _mm_loadu_si128(p + 2), d = _mm_loadu_si128(p + 3);
    const __m128i by_512 = _mm_set_epi64x(0x1C6E41596, 0x154442BD4), by_128 = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
    for (p += 4; end - p >= 4; p += 4) {
        a = _mm_xor_si128(moved(a, by_512), _mm_loadu_si128(p));
        b = _mm_xor_si128(moved(b, by_512), _mm_loadu_si128(p + 1));
        c = _mm_xor_si128(moved(c, by_512), _mm_loadu_si128(p + 2));
        d = _mm_xor_si128(moved(d, by_512), _mm_loadu_si128(p + 3));
    }
    a = _mm_xor_si128(moved(a, by_128), b);
    a = _mm_xor_si128(moved(a, by_128), c);
    a = _mm_xor_si128(moved(a, by_128), d);
    for (; p < end; p++) a = _mm_xor_si128(moved(a, by_128), _mm_loadu_si128(p));

    /* 128 bits to 64, then Barrett's reduction to 32 with x^64 / P and P. */
    const __m128i low = _mm_set_epi32(0, -1, 0, -1), ends = _mm_set_epi64x(0x1F7011641, 0x1DB710641);
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low), _mm_cvtsi64_si128(0x163CD6124), 0x00));
    b = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), ends, 0x10), low);
    a = _mm_xor_si128(a, _mm_clmulepi64_si128(b, ends, 0x00));
    *state = (uint32_t)_mm_cvtsi128_si32(_mm_srli_si128(a, 4));
    return byte_count / 16 * 16;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

__attribute__((target("crc"))) static size_t checksum(uint32_t *state, const void *bytes, size_t byte_count) {
    if (!(getauxval(16) >> 7 & 1)) return 0; /* AT_HWCAP: CRC32, which ARMv8.0 leaves out */
    const char *p = bytes;
    uint32_t crc = *state;
    uint64_t word;
    for (size_t i = 0; i + 8 <= byte_count; i += 8) {
        __builtin_memcpy(&word, p + i, 8);
        crc = __builtin_arm_crc32d(crc, word);
    }
    *state = crc;
    return byte_count / 8 * 8;
}

#else
static size_t checksum(uint32_t *state, const void *bytes, size_t byte_count) {
    (void)state, (void)bytes, (void)byte_count;
    return 0;
}
#endif
