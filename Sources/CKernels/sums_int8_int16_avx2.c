#include "stlm_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Lines between two widenings: a pair of products is at most 2 * 128 * 32,767 < 2^23, so that 255 of them fit in 32 bits. */
#define LINES_IN_32_BITS 248

/* 16 bytes are 4 columns of 4 rows; each row's sum is split over two neighbouring elements. */
__attribute__((target("avx2"))) static inline __m256i dot4(const void *w, __m256i x, __m256i sum) {
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(wide, x));
}

__attribute__((target("avx2"))) void stlm_sums_int8_int16_avx2(
    const void *codes, size_t line_count, const void *activations, int64_t *sums) {
    const char *w = codes, *x = activations;
    for (int r = 0; r < 16; r++) sums[r] = 0;
    while (line_count > 0) {
        size_t lines = line_count < LINES_IN_32_BITS ? line_count : LINES_IN_32_BITS;
        line_count -= lines;
        __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
        for (; lines > 0; lines--, w += 64, x += 8) {
            long long four;
            __builtin_memcpy(&four, x, 8);
            const __m256i v = _mm256_set1_epi64x(four);
            a = dot4(w, v, a);
            b = dot4(w + 16, v, b);
            c = dot4(w + 32, v, c);
            d = dot4(w + 48, v, d);
        }
        int32_t part[32];
        _mm256_storeu_si256((__m256i *)part, a);
        _mm256_storeu_si256((__m256i *)(part + 8), b);
        _mm256_storeu_si256((__m256i *)(part + 16), c);
        _mm256_storeu_si256((__m256i *)(part + 24), d);
        for (int r = 0; r < 16; r++) sums[r] += (int64_t)part[2 * r] + part[2 * r + 1];
    }
}

#else

/* Never called: stlm_cpu_features() does not offer it on this CPU. */
void stlm_sums_int8_int16_avx2(const void *codes, size_t line_count, const void *activations, int64_t *sums) {
    (void)codes, (void)line_count, (void)activations, (void)sums;
    __builtin_trap();
}

#endif
