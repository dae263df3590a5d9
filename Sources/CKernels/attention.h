/* Attention of one query head: section 6.2, step 4. A set's file includes this after its dots_*.h, which gives
     PAIR_CHAINS           independent sums over pairs of elements of wide keys
     POSITION_GROUPS       groups of 16 positions whose scores over narrow keys are summed at once
     VALUE_GROUPS          groups of 16 elements that are mixed at once, 1 or 4
     struct pair_sums, part_sums and what they say there. attention_narrow.h has the sums over keys and values of 8 and 4 bits. */
#include "kernels.h"
#include "vectors.h"

/* A scale has its mantissa in the low 17 bits, its exponent above them. */
INLINE i32x16 load_mantissas(const int32_t *scales) { return load(scales) & 0x1FFFF; }
INLINE i32x16 load_exponents(const int32_t *scales) { return load(scales) >> 17; }

/* Pairs of positions that are mixed at once: with 10 bits of a weight each is at most 2 * 1,023 * 32,767, and 32 fit in 32 bits. */
#define POSITION_PAIRS 32

/* Positions beyond the last hold anything: their shifts are kept in range, and what comes of them is not looked at. */
INLINE i32x16 within_62(i32x16 shifts) { return (i32x16)__builtin_elementwise_min((u32x16)shifts, (u32x16)splat(62)); }

INLINE struct wide splat_low(int32_t x) { return (struct wide){splat_wide(x), splat_wide(x)}; }

INLINE int ceil_log2(size_t n) { return n <= 1 ? 0 : 64 - __builtin_clzll((unsigned long long)(n - 1)); }

/* Scores from sums that have been shifted by D. */
INLINE void finish_scores(const struct stlm_attention_call *c, size_t t, i32x16 narrow) {
    /* rshr(M * km, 17) */
    const i32x16 mantissas = (i32x16)((u32x16)load(c->key_scales + t) << 15);
    int64_t half = INT64_C(1) << 31;
    __asm__("" : "+r"(half)); /* Else ARM compilers make the constant with an instruction for floating point. */
    const struct wide m = high_halves(add_each(multiply_unsigned(splat_low(c->multiplier), widen(mantissas)), half));
    const i32x16 shifts_less_1 = within_62(load_exponents(c->key_scales + t) + (c->base_shift - 1));
    store(c->weights + t, saturate(round_shifts_less_1(multiply_low(widen(narrow), m), shifts_less_1)));
}

/* Scores of 16 positions from position t on. Memory is read in its order: the CPU foresees nothing else. */
INLINE void score(const struct stlm_attention_call *c, size_t t, int down_shift) {
    const size_t pairs = (c->head_size + 1) / 2;
    const char *k = (const char *)c->keys + t * pairs * 4, *q = (const char *)c->query;
    /* Of as many bytes, and read next: the cache of keys and values is seldom in the CPU's. */
    const char *v = (const char *)c->values + t * c->head_size * 2;
    const int is_narrow = can_round_pairs(down_shift);
    struct wide total = {{0}, {0}};
    struct pair_sums sums[PAIR_CHAINS];
    size_t pair = 0;
    while (pair < pairs) {
        const size_t end = is_narrow || pairs - pair < PAIRS_AT_ONCE ? pairs : pair + PAIRS_AT_ONCE;
        UNROLLED for (int i = 0; i < PAIR_CHAINS; i++) sums[i] = no_pair_sums();
        for (; pair + PAIR_CHAINS * PAIR_STEP <= end; pair += PAIR_CHAINS * PAIR_STEP) {
            UNROLLED for (size_t i = 0; i < PAIR_CHAINS; i++) {
                const size_t at = pair + i * PAIR_STEP;
                sums[i] = add_pairs(sums[i], k + 64 * at, 64, q + 4 * at, PAIR_STEP);
                UNROLLED for (size_t j = 0; j < PAIR_STEP; j++) __builtin_prefetch(v + 64 * (at + j), 0, 2);
            }
        }
        for (; PAIR_CHAINS * PAIR_STEP > 1 && pair < end; pair++) sums[0] = add_pairs(sums[0], k + 64 * pair, 64, q + 4 * pair, 1);
        UNROLLED for (int i = 1; i < PAIR_CHAINS; i++) sums[0] = both(sums[0], sums[i]);
        if (is_narrow) break;
        total = add(total, rows_of_pairs(sums[0]));
    }
    finish_scores(c, t, is_narrow ? rounded_pairs(sums[0], down_shift) : narrow_low(round_shift_low(total, down_shift)));
}

/* Pairs of PART_BITS of neighbouring weights of up to 64 positions. */
struct weight_parts {
    int32_t parts[PARTS][POSITION_PAIRS];
};

/* sums += weights times values of `pairs` pairs of positions from t on, in `groups` (a constant) groups of 16 elements from e on. */
INLINE void mix_pairs(
    const struct stlm_attention_call *c, const struct weight_parts *w, size_t t, size_t pairs, size_t e, const int groups) {
    const size_t stride = c->head_size * 4;
    const char *v = (const char *)c->values + t / 2 * stride + e * 4;
    const char *next = (const char *)c->next_keys + (v - (const char *)c->values);
    part_sums sums[4][PARTS];
    UNROLLED for (int g = 0; g < groups; g++) {
        UNROLLED for (int k = 0; k < PARTS; k++) sums[g][k] = no_part_sums();
    }
    size_t p = 0;
    for (; p + PAIR_STEP <= pairs; p += PAIR_STEP, v += PAIR_STEP * stride, next += PAIR_STEP * stride) {
        UNROLLED for (int g = 0; g < groups; g++) {
            UNROLLED for (int k = 0; k < PARTS; k++) sums[g][k] = add_parts(sums[g][k], v + 64 * g, stride, &w->parts[k][p], PAIR_STEP);
            UNROLLED for (size_t i = 0; i < PAIR_STEP; i++) __builtin_prefetch(next + 64 * g + i * stride, 0, 2);
        }
    }
    if (PAIR_STEP > 1 && p < pairs) {
        UNROLLED for (int g = 0; g < groups; g++) {
            UNROLLED for (int k = 0; k < PARTS; k++) sums[g][k] = add_parts(sums[g][k], v + 64 * g, stride, &w->parts[k][p], 1);
        }
    }
    for (int g = 0; g < groups; g++) {
        part each[PARTS][16];
        UNROLLED for (int k = 0; k < PARTS; k++) store_parts(each[k], sums[g][k]);
        int64_t *to = c->sums + e + 16 * g;
        for (int i = 0; i < 16; i++) {
            UNROLLED for (int k = 0; k < PARTS; k++) to[i] += (int64_t)each[k][i] * (INT64_C(1) << (PART_BITS * k));
        }
    }
}

/* The same for all elements. */
INLINE void mix(const struct stlm_attention_call *c, size_t t, size_t pairs) {
    struct weight_parts w;
    for (size_t p = 0; p < pairs; p += 8) {
        const i32x16 x = load(c->weights + t + 2 * p);
        UNROLLED for (int k = 0; k < PARTS; k++) {
            const u64x8 bits = (u64x8)((x >> (PART_BITS * k)) & ((1 << PART_BITS) - 1));
            const i32x8 packed = __builtin_convertvector(bits | bits >> 16, i32x8);
            __builtin_memcpy(&w.parts[k][p], &packed, 32);
        }
    }
    const size_t groups = (c->head_size + 15) / 16;
    size_t g = 0;
    for (; VALUE_GROUPS > 1 && g + 4 <= groups; g += 4) mix_pairs(c, &w, t, pairs, 16 * g, 4);
    if (VALUE_GROUPS > 1 && groups - g == 3) return mix_pairs(c, &w, t, pairs, 16 * g, 3);
    for (; VALUE_GROUPS > 1 && g + 2 <= groups; g += 2) mix_pairs(c, &w, t, pairs, 16 * g, 2);
    for (; g < groups; g++) mix_pairs(c, &w, t, pairs, 16 * g, 1);
}

#include "attention_narrow.h"

INLINE int bit_count(uint64_t x) { return x ? 64 - __builtin_clzll(x) : 0; }

static int32_t attend(const struct stlm_attention_call *call) {
    const struct stlm_attention_call c = *call;
    const size_t count = c.position_count, padded = (count + 15) / 16 * 16;
    const int is_wide = c.type == STLM_KEY_VALUE_INT16, is_int4 = c.type == STLM_KEY_VALUE_INT4;
    i32x16 lowest = splat(INT32_MAX);
    size_t t = 0;
    for (; t + 16 <= count; t += 16) lowest = __builtin_elementwise_min(lowest, load(c.key_scales + t));
    int32_t least = __builtin_reduce_min(lowest);
    for (; t < count; t++) least = c.key_scales[t] < least ? c.key_scales[t] : least;
    if ((int64_t)(least >> 17) + c.base_shift < 1) return 0;

    const int down_shift = ceil_log2(c.head_size);
    t = 0;
    if (is_wide) {
        for (; t < padded; t += 16) score(&c, t, down_shift);
    } else {
        const int32_t first = place_query(&c);
        for (; POSITION_GROUPS > 1 && t + 16 * POSITION_GROUPS <= padded; t += 16 * POSITION_GROUPS)
            score_narrow(&c, t, POSITION_GROUPS, down_shift, first, is_int4);
        for (; t < padded; t += 16) score_narrow(&c, t, 1, down_shift, first, is_int4);
    }

    i32x16 highest = splat(INT32_MIN);
    for (t = 0; t + 16 <= count; t += 16) highest = __builtin_elementwise_max(highest, load(c.weights + t));
    int32_t most = __builtin_reduce_max(highest);
    for (; t < count; t++) most = c.weights[t] > most ? c.weights[t] : most;

    u64x8 sum = {0};
    struct wide weight_sum = {{0}, {0}};
    for (t = 0; t < padded; t += 16) {
        const u32x16 distance = (u32x16)splat(most) - (u32x16)load(c.weights + t);
        const u32x16 x = (distance << 8) | (u32x16)(distance >= (1u << 24));
        const i32x16 p = keep_first((i32x16)exp2_negative(x), count - t);
        const struct wide w = widen(p);
        sum += (u64x8)w.a + (u64x8)w.b;
        const i32x16 shifts_less_1 = within_62(load_exponents(c.value_scales + t) + (16 - c.least_value_exponent));
        const struct wide scaled = round_shifts_less_1(multiply_low(w, widen(load_mantissas(c.value_scales + t))), shifts_less_1);
        const i32x16 weights = keep_first(narrow_low(scaled), count - t);
        if (is_int4) weight_sum = add(weight_sum, widen(weights));
        store(c.weights + t, is_wide ? weights : parts_of_weights(weights));
    }
    const uint64_t total = __builtin_reduce_add(sum);

    for (size_t i = 0; i < c.head_size; i += 16) __builtin_memset(c.sums + i, 0, 128);
    if (is_wide) {
        for (t = 0; t < count; t += 2 * POSITION_PAIRS) {
            const size_t left = (count - t + 1) / 2;
            mix(&c, t, left < POSITION_PAIRS ? left : POSITION_PAIRS);
        }
    } else {
        if (is_int4) mix_narrow(&c, 1);
        else mix_narrow(&c, 0);
        if (is_int4) center_nibbles(&c, sum_of(weight_sum));
    }

    const int length = bit_count(total), shift = length - 16;
    const uint64_t normal = length <= 32 ? total << (32 - length) : total >> (length - 32);
    const int64_t reciprocal = (int64_t)((UINT64_C(1) << 62) / normal), half = (int64_t)((UINT64_C(1) << shift) >> 1);
    for (size_t i = 0; i < c.head_size; i++) {
        const int64_t value = (((c.sums[i] + half) >> shift) * reciprocal + (1 << 30)) >> 31;
        c.result[i] = (int32_t)(value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : value);
    }
    return 1;
}
