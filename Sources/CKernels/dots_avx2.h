/* Dot products of AVX2, and with VNNI defined as 1 those of AVX-VNNI: linear.h says what for. */
#include <immintrin.h>
#include "vectors.h"

#define LINES 4
#define STEP 1
#define UNIT 1
#define PAIR_CHAINS 2
#define POSITION_GROUPS 1
#define BLOCKS 1

/* 16 rows in two registers. */
struct halves {
    __m256i a, b;
};

INLINE struct halves halves_of(const void *p) {
    return (struct halves){_mm256_loadu_si256(p), _mm256_loadu_si256((const __m256i *)p + 1)};
}
INLINE struct halves split(i32x16 v) {
    struct halves h;
    __builtin_memcpy(&h, &v, 64);
    return h;
}
INLINE i32x16 joined(__m256i a, __m256i b) {
    const struct halves h = {a, b};
    i32x16 v;
    __builtin_memcpy(&v, &h, 64);
    return v;
}

struct activations {
    __m256i four;
};
typedef i32x16 dot_sums;

INLINE struct activations activations_of(const void *x, const int lines) {
    (void)lines;
    return (struct activations){_mm256_set1_epi32(four_bytes(x))};
}

INLINE dot_sums sums_from(int32_t first) { return splat(first); }
INLINE i32x16 rows_of(dot_sums sums) { return sums; }

#if VNNI

#define VECTORS 4
#define WIDE_VECTORS 2
#define SPLITS_ACTIVATIONS 1

/* AVX-VNNI and the same instructions of AVX-512 VL, so that a CPU with either can test this file. */
#ifndef DPBUSD
#define DPBUSD _mm256_dpbusd_avx_epi32
#define DPWSSD _mm256_dpwssd_avx_epi32
#endif

/* Codes, and codes plus 128: dpbusd takes its first factor as unsigned. */
struct codes {
    struct halves code, shifted;
};

INLINE struct codes prepare(const void *line, const int lines) {
    (void)lines;
    const struct halves w = halves_of(line);
    const __m256i flip = _mm256_set1_epi8(-128);
    return (struct codes){w, {_mm256_xor_si256(w.a, flip), _mm256_xor_si256(w.b, flip)}};
}
INLINE struct activations unsigned_activations_of(const void *x, const int lines) { return activations_of(x, lines); }

/* -128 * the sum of the activations, which undoes the 128. */
INLINE int32_t first_sum(const void *activations, size_t line_count) {
    const int8_t *x = activations;
    int32_t sum = 0;
    for (size_t i = 0; i < 4 * line_count; i++) sum += x[i];
    return -128 * sum;
}

INLINE dot_sums dot4(dot_sums sum, struct codes w, struct activations x, const int k) {
    (void)k;
    const struct halves s = split(sum);
    return joined(DPBUSD(s.a, w.shifted.a, x.four), DPBUSD(s.b, w.shifted.b, x.four));
}

/* Activations 0 ... 255. */
INLINE dot_sums dot4_unsigned(dot_sums sum, struct codes w, struct activations x, const int k) {
    (void)k;
    const struct halves s = split(sum);
    return joined(DPBUSD(s.a, x.four, w.code.a), DPBUSD(s.b, x.four, w.code.b));
}

/* Unsigned activations need no correction here. */
struct row_sums {};
INLINE struct row_sums no_row_sums(void) { return (struct row_sums){}; }
INLINE struct row_sums add_row_sums(struct row_sums sums, struct codes w) { return (void)w, sums; }
INLINE i32x16 with_row_sums(i32x16 sum, struct row_sums sums) { return (void)sums, sum; }

INLINE i32x16 dot2(i32x16 sum, i16x32 a, i16x32 b) {
    const struct halves s = split(sum), x = split((i32x16)a), y = split((i32x16)b);
    return joined(DPWSSD(s.a, x.a, y.a), DPWSSD(s.b, x.b, y.b));
}

#else

#define VECTORS 4
#define WIDE_VECTORS 2
#define SPLITS_ACTIVATIONS 0

/* |w|, unsigned, which holds 128, and w. */
struct codes {
    struct halves magnitude, code;
};

INLINE struct codes prepare(const void *line, const int lines) {
    (void)lines;
    const struct halves w = halves_of(line);
    return (struct codes){{_mm256_abs_epi8(w.a), _mm256_abs_epi8(w.b)}, w};
}

INLINE int32_t first_sum(const void *activations, size_t line_count) { return (void)activations, (void)line_count, 0; }

/* sign(x, w) stays in -127 ... 127; a pair of products is at most 2 * 128 * 127 = 32,512 and fits the 16 bits of maddubs, so that nothing
   saturates. */
INLINE __m256i dot4_half(__m256i sum, __m256i magnitude, __m256i code, __m256i x) {
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, code));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE dot_sums dot4(dot_sums sum, struct codes w, struct activations x, const int k) {
    (void)k;
    const struct halves s = split(sum);
    return joined(dot4_half(s.a, w.magnitude.a, w.code.a, x.four), dot4_half(s.b, w.magnitude.b, w.code.b, x.four));
}

INLINE i32x16 dot2(i32x16 sum, i16x32 a, i16x32 b) {
    const struct halves s = split(sum), x = split((i32x16)a), y = split((i32x16)b);
    return joined(_mm256_add_epi32(s.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(s.b, _mm256_madd_epi16(x.b, y.b)));
}

/* A line's codes as 16 bits: of a, those of rows 0 ... 7; of b, rows 8 ... 15. */
struct wide_codes {
    i16x32 a, b;
};
/* Each row's sum in two elements. */
struct wide_sums {
    i32x16 a, b;
};

INLINE struct wide_codes widened(const void *line) {
    const __m128i *w = line;
    return (struct wide_codes){
        (i16x32)joined(_mm256_cvtepi8_epi16(_mm_loadu_si128(w)), _mm256_cvtepi8_epi16(_mm_loadu_si128(w + 1))),
        (i16x32)joined(_mm256_cvtepi8_epi16(_mm_loadu_si128(w + 2)), _mm256_cvtepi8_epi16(_mm_loadu_si128(w + 3)))};
}

INLINE struct wide_sums no_wide_sums(void) { return (struct wide_sums){splat(0), splat(0)}; }

INLINE struct wide_sums dot4_wide(struct wide_sums s, struct wide_codes w, const void *activations) {
    const i16x32 x = (i16x32)splat_wide(eight_bytes(activations));
    return (struct wide_sums){dot2(s.a, w.a, x), dot2(s.b, w.b, x)};
}

INLINE struct wide rows_of_wide(struct wide_sums s) {
    const i64x8 first = low((i64x8)s.a) + ((i64x8)s.a >> 32), last = low((i64x8)s.b) + ((i64x8)s.b >> 32);
    return (struct wide){
        __builtin_shufflevector(first, last, 0, 2, 4, 6, 8, 10, 12, 14), __builtin_shufflevector(first, last, 1, 3, 5, 7, 9, 11, 13, 15)};
}

#endif

#include "pairs.h"

/* Groups of elements whose sums over values of 8 bits are made at once, and parts of a weight. */
#define VALUE_GROUPS 1
#define WEIGHT_PARTS 2

/* MARK: Groups */

#define BIAS 64
#define SCALES_IN_PAIRS !VNNI
#define GROUP_TILE 4
#define GROUP_BLOCKS 1

INLINE u8x64 lookup(u8x16 table, u8x64 indices) {
    const struct halves i = split((i32x16)indices);
    const __m256i t = _mm256_broadcastsi128_si256((__m128i)table);
    return (u8x64)joined(_mm256_shuffle_epi8(t, i.a), _mm256_shuffle_epi8(t, i.b));
}

#if VNNI

/* Sums of a group, and their products with its scales. */
INLINE i32x16 dot_levels(i32x16 sum, u8x64 levels, const char *x, i32x16 scales, const int has_unsigned_levels) {
    const struct halves s = split(sum), w = split((i32x16)levels);
    const __m256i four = _mm256_set1_epi32(four_bytes(x));
    (void)scales;
    return has_unsigned_levels ? joined(DPBUSD(s.a, w.a, four), DPBUSD(s.b, w.b, four))
                               : joined(DPBUSD(s.a, four, w.a), DPBUSD(s.b, four, w.b));
}
INLINE i32x16 add_scaled(i32x16 total, i32x16 sum, i32x16 scales) { return total + sum * scales; }

#else

/* Unsigned levels are at most 128, signed ones 64 in magnitude: two products are at most 2 * 128 * 127 or 2 * 64 * 255, and fit in 16 bits.
   They meet their scales at once. */
INLINE i32x16 dot_levels(i32x16 sum, u8x64 levels, const char *x, i32x16 scales, const int has_unsigned_levels) {
    const struct halves s = split(sum), w = split((i32x16)levels), m = split(scales);
    const __m256i four = _mm256_set1_epi32(four_bytes(x));
    const __m256i a = has_unsigned_levels ? _mm256_maddubs_epi16(w.a, four) : _mm256_maddubs_epi16(four, w.a);
    const __m256i b = has_unsigned_levels ? _mm256_maddubs_epi16(w.b, four) : _mm256_maddubs_epi16(four, w.b);
    return joined(_mm256_add_epi32(s.a, _mm256_madd_epi16(a, m.a)), _mm256_add_epi32(s.b, _mm256_madd_epi16(b, m.b)));
}
INLINE i32x16 add_scaled(i32x16 total, i32x16 sum, i32x16 scales) { return (void)scales, total + sum; }

#endif

/* The sums of 16 activations and of the next 16, in 16 bits each. */
INLINE int32_t sum_of_groups(const void *x) {
    const __m256i sums = _mm256_sad_epu8(_mm256_xor_si256(_mm256_loadu_si256(x), _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    const int64_t low = _mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1) - 2048;
    const int64_t high = _mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3) - 2048;
    return (int32_t)((uint32_t)high << 16 | (uint16_t)low);
}
