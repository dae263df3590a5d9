/* Attention of one query head: section 6.2, step 4. A set's file includes this after its dots_*.h, which gives
     POSITION_GROUPS       groups of 16 positions whose scores are summed at once
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

/* Scores of `groups` (a constant) groups of 16 positions from position t on. */
INLINE void score(const struct stlm_attention_call *c, size_t t, const int groups, int down_shift) {
    const size_t pairs = (c->head_size + 1) / 2;
    const char *k = (const char *)c->keys + t * pairs * 4, *q = (const char *)c->query;
    /* Of as many bytes, and read next: the cache of keys and values is seldom in the CPU's, and too short to be foreseen. */
    const char *v = (const char *)c->values + t * c->head_size * 2;
    const int is_narrow = can_round_pairs(down_shift);
    struct wide total[4];
    struct pair_sums sums[4];
    UNROLLED for (int g = 0; g < groups; g++) total[g] = (struct wide){{0}, {0}};
    size_t pair = 0;
    while (pair < pairs) {
        const size_t end = is_narrow || pairs - pair < PAIRS_AT_ONCE ? pairs : pair + PAIRS_AT_ONCE;
        UNROLLED for (int g = 0; g < groups; g++) sums[g] = no_pair_sums();
        for (; pair + PAIR_STEP <= end; pair += PAIR_STEP) {
            UNROLLED for (int g = 0; g < groups; g++) {
                const size_t at = ((size_t)g * pairs + pair) * 64;
                sums[g] = add_pairs(sums[g], k + at, 64, q + 4 * pair, PAIR_STEP);
                UNROLLED for (int i = 0; i < PAIR_STEP; i++) __builtin_prefetch(v + at + 64 * i, 0, 2);
            }
        }
        if (PAIR_STEP > 1 && pair < end) {
            UNROLLED for (int g = 0; g < groups; g++)
                sums[g] = add_pairs(sums[g], k + ((size_t)g * pairs + pair) * 64, 64, q + 4 * pair, 1);
            pair++;
        }
        if (is_narrow) break;
        UNROLLED for (int g = 0; g < groups; g++) total[g] = add(total[g], rows_of_pairs(sums[g]));
    }
    UNROLLED for (int g = 0; g < groups; g++) {
        const i32x16 narrow =
            is_narrow ? rounded_pairs(sums[g], down_shift) : narrow_low(round_shift_low(total[g], down_shift));
        finish_scores(c, t + 16 * (size_t)g, narrow);
    }
}

/* sums += weights times values of up to 64 positions from t on. */
INLINE void mix(const struct stlm_attention_call *c, size_t t, size_t pairs) {
    /* (PARTS, pairs) pairs of PART_BITS of neighbouring weights */
    int32_t parts[PARTS][POSITION_PAIRS];
    for (size_t p = 0; p < pairs; p += 8) {
        const i32x16 w = load(c->weights + t + 2 * p);
        UNROLLED for (int k = 0; k < PARTS; k++) {
            const u64x8 bits = (u64x8)((w >> (PART_BITS * k)) & ((1 << PART_BITS) - 1));
            const i32x8 packed = __builtin_convertvector(bits | bits >> 16, i32x8);
            __builtin_memcpy(&parts[k][p], &packed, 32);
        }
    }
    const size_t stride = c->head_size * 4;
    for (size_t e = 0; e < c->head_size; e += 16) {
        const char *v = (const char *)c->values + t / 2 * stride + e * 4;
        const char *next = (const char *)c->next_keys + (v - (const char *)c->values);
        part_sums sums[PARTS];
        UNROLLED for (int k = 0; k < PARTS; k++) sums[k] = no_part_sums();
        size_t p = 0;
        for (; p + PAIR_STEP <= pairs; p += PAIR_STEP, v += PAIR_STEP * stride, next += PAIR_STEP * stride) {
            UNROLLED for (int k = 0; k < PARTS; k++) sums[k] = add_parts(sums[k], v, stride, &parts[k][p], PAIR_STEP);
            UNROLLED for (size_t i = 0; i < PAIR_STEP; i++) __builtin_prefetch(next + i * stride, 0, 2);
        }
        if (PAIR_STEP > 1 && p < pairs) {
            UNROLLED for (int k = 0; k < PARTS; k++) sums[k] = add_parts(sums[k], v, stride, &parts[k][p], 1);
        }
        part each[PARTS][16];
        UNROLLED for (int k = 0; k < PARTS; k++) store_parts(each[k], sums[k]);
        for (int i = 0; i < 16; i++) {
            UNROLLED for (int k = 0; k < PARTS; k++) c->sums[e + i] += (int64_t)each[k][i] * (INT64_C(1) << (PART_BITS * k));
        }
    }
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
        for (; POSITION_GROUPS > 1 && t + 16 * POSITION_GROUPS <= padded; t += 16 * POSITION_GROUPS) score(&c, t, POSITION_GROUPS, down_shift);
        for (; t < padded; t += 16) score(&c, t, 1, down_shift);
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
