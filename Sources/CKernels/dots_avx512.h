/* Dot products of AVX-512 with VNNI: linear.h says what for. */
#include <immintrin.h>
#include "vectors.h"

#define VECTORS 8
#define BLOCKS 2
#define LINES 4
#define STEP 1
#define UNIT 1
#define WIDE_VECTORS 8
#define SPLITS_ACTIVATIONS 1
#define PAIR_CHAINS 4
#define POSITION_GROUPS 4

/* Codes, and codes plus 128: dpbusd takes its first factor as unsigned. */
struct codes {
    __m512i code, shifted;
};
struct activations {
    __m512i four;
};
typedef i32x16 dot_sums;

INLINE struct codes prepare(const void *line, const int lines) {
    (void)lines;
    const __m512i w = _mm512_loadu_si512(line);
    return (struct codes){w, _mm512_xor_si512(w, _mm512_set1_epi8(-128))};
}

INLINE struct activations activations_of(const void *x, const int lines) {
    (void)lines;
    return (struct activations){_mm512_set1_epi32(four_bytes(x))};
}
INLINE struct activations unsigned_activations_of(const void *x, const int lines) { return activations_of(x, lines); }

INLINE dot_sums sums_from(int32_t first) { return splat(first); }
INLINE i32x16 rows_of(dot_sums sums) { return sums; }

/* -128 * the sum of the activations, which undoes the 128. */
INLINE int32_t first_sum(const void *activations, size_t line_count) {
    const char *x = activations;
    __m512i sum = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 16 <= line_count; i += 16) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), _mm512_loadu_si512(x + 4 * i));
    if (i < line_count) {
        const __mmask16 rest = (__mmask16)((1u << (line_count - i)) - 1);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), _mm512_maskz_loadu_epi32(rest, x + 4 * i));
    }
    return -_mm512_reduce_add_epi32(sum);
}

INLINE dot_sums dot4(dot_sums sum, struct codes w, struct activations x, const int k) {
    (void)k;
    return (i32x16)_mm512_dpbusd_epi32((__m512i)sum, w.shifted, x.four);
}

/* Activations 0 ... 255. */
INLINE dot_sums dot4_unsigned(dot_sums sum, struct codes w, struct activations x, const int k) {
    (void)k;
    return (i32x16)_mm512_dpbusd_epi32((__m512i)sum, x.four, w.code);
}

/* Unsigned activations need no correction here. */
struct row_sums {};
INLINE struct row_sums no_row_sums(void) { return (struct row_sums){}; }
INLINE struct row_sums add_row_sums(struct row_sums sums, struct codes w) { return (void)w, sums; }
INLINE i32x16 with_row_sums(i32x16 sum, struct row_sums sums) { return (void)sums, sum; }

/* Pairs of 16 bits. */
INLINE i32x16 dot2(i32x16 sum, i16x32 a, i16x32 b) { return (i32x16)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b); }

#include "pairs.h"

/* Groups of elements whose sums over values of 8 bits are made at once. */
#define VALUE_GROUPS 4

/* MARK: Groups */

#define BIAS 64
#define SCALES_IN_PAIRS 0
#define GROUP_TILE 4
#define GROUP_BLOCKS 2

INLINE u8x64 lookup(u8x16 table, u8x64 indices) {
    return (u8x64)_mm512_shuffle_epi8(_mm512_broadcast_i32x4((__m128i)table), (__m512i)indices);
}

/* Sums of a group, and their products with its scales. */
INLINE i32x16 dot_levels(i32x16 sum, u8x64 levels, const char *x, i32x16 scales, const int has_unsigned_levels) {
    const __m512i w = (__m512i)levels, four = _mm512_set1_epi32(four_bytes(x));
    (void)scales;
    return (i32x16)(has_unsigned_levels ? _mm512_dpbusd_epi32((__m512i)sum, w, four) : _mm512_dpbusd_epi32((__m512i)sum, four, w));
}
INLINE i32x16 add_scaled(i32x16 total, i32x16 sum, i32x16 scales) { return total + sum * scales; }

/* The sums of 16 activations and of the next 16, in 16 bits each. */
INLINE int32_t sum_of_groups(const void *x) {
    const __m256i sums = _mm256_sad_epu8(_mm256_xor_si256(_mm256_loadu_si256(x), _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    const int64_t low = _mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1) - 2048;
    const int64_t high = _mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3) - 2048;
    return (int32_t)((uint32_t)high << 16 | (uint16_t)low);
}
