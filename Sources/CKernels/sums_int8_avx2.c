#include "stlm_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* |w| is unsigned and holds 128; sign(x, w) stays in -127...127; a pair of products is at most 2 * 128 * 127 = 32,512 and
   fits the 16 bits of maddubs, so nothing saturates. */
__attribute__((target("avx2"))) static inline __m256i dot4(__m256i w, __m256i x, __m256i sum) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

__attribute__((target("avx2"))) void stlm_sums_int8_avx2(
    const void *codes, size_t row_blocks, size_t line_count, const void *activations, int32_t *sums) {
    const __m256i *w = codes;
    for (size_t block = 0; block < row_blocks; block++, sums += 16) {
        const char *x = activations;
        __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
        size_t line = 0;
        for (; line + 2 <= line_count; line += 2, w += 4, x += 8) {
            int32_t x0, x1;
            __builtin_memcpy(&x0, x, 4);
            __builtin_memcpy(&x1, x + 4, 4);
            const __m256i v0 = _mm256_set1_epi32(x0), v1 = _mm256_set1_epi32(x1);
            a = dot4(_mm256_loadu_si256(w), v0, a);
            b = dot4(_mm256_loadu_si256(w + 1), v0, b);
            c = dot4(_mm256_loadu_si256(w + 2), v1, c);
            d = dot4(_mm256_loadu_si256(w + 3), v1, d);
        }
        if (line < line_count) {
            int32_t x0;
            __builtin_memcpy(&x0, x, 4);
            const __m256i v0 = _mm256_set1_epi32(x0);
            a = dot4(_mm256_loadu_si256(w), v0, a);
            b = dot4(_mm256_loadu_si256(w + 1), v0, b);
            w += 2;
        }
        _mm256_storeu_si256((__m256i *)sums, _mm256_add_epi32(a, c));
        _mm256_storeu_si256((__m256i *)(sums + 8), _mm256_add_epi32(b, d));
    }
}

#else

/* Never called: stlm_cpu_features() does not offer it on this CPU. */
void stlm_sums_int8_avx2(const void *codes, size_t row_blocks, size_t line_count, const void *activations, int32_t *sums) {
    (void)codes, (void)row_blocks, (void)line_count, (void)activations, (void)sums;
    __builtin_trap();
}

#endif
