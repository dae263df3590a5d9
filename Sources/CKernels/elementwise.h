/* Kernels without dot products. A set's file includes this once, with ELEMENTWISE the name of the table to define. */
#include "kernels.h"
#include "vectors.h"

INLINE uint32_t later(uint32_t a, uint32_t b) { return a > b ? a : b; }

#include "checksum.h"
#include "quantize.h"

/* MARK: Normalisation */

INLINE i32x16 centered(i32x16 x, i32x16 mean) { return __builtin_elementwise_sub_sat(x, mean); }

static uint32_t centered_maximum(const int32_t *x, size_t count, int32_t mean) {
    u32x16 most = {0};
    BY_16(count, {
        const i32x16 z = keep_first(centered(load_some(x + i, left), splat(mean)), left);
        most = __builtin_elementwise_max(most, magnitude(z));
    })
    return greatest_of(most);
}

static uint64_t sum_of_squares(const int32_t *x, size_t count, int32_t mean, int32_t narrowing) {
    struct wide sum = {{0}, {0}};
    BY_16(count, {
        const i32x16 z = keep_first(centered(load_some(x + i, left), splat(mean)), left);
        const i32x16 narrowed = round_shift_narrow(z, narrowing);
        sum = add(sum, multiply(narrowed, narrowed));
    })
    return (uint64_t)sum_of(sum);
}

/* 16 elements. root may be 2^31: z * root = z * (root - 2^30) + z * 2^30. */
INLINE i32x16 normalized(const struct stlm_norm_call *c, i32x16 x, i32x16 weight, i32x16 bias) {
    const i32x16 z = centered(x, splat(c->mean));
    const struct wide product = add(multiply(z, splat((int32_t)(c->root - (1 << 30)))), shift_left(widen(z), 30));
    const i32x16 unit = saturate(round_shift(product, c->shift));
    const i32x16 value = saturate(round_shift(multiply(unit, weight), c->weight_shift));
    return c->bias ? add_saturating(value, bias) : value;
}

static uint32_t norm(const struct stlm_norm_call *call) {
    const struct stlm_norm_call c = *call;
    u32x16 most = {0};
    BY_16(c.count, {
        const i32x16 y = normalized(
            &c, load_some(c.x + i, left), load_some(c.weight + i, left), c.bias ? load_some(c.bias + i, left) : splat(0));
        store_some(c.y + i, y, left);
        most = __builtin_elementwise_max(most, magnitude(keep_first(y, left)));
    })
    return greatest_of(most);
}

/* MARK: Rotation */

/* Pairs (a, b) by pairs (cos, sin). */
#if defined(__ARM_NEON)
INLINE i32x16 rotated(i32x16 v, i32x8 angles) {
    struct quarters s = quarters_of(v);
    int32x4_t turns[2];
    __builtin_memcpy(turns, &angles, 32);
    UNROLLED for (int i = 0; i < 2; i++) {
        const int32x4x2_t in = vuzpq_s32(s.q[2 * i], s.q[2 * i + 1]);
        const int32x4_t cosine = vshrq_n_s32(vshlq_n_s32(turns[i], 16), 16), sine = vshrq_n_s32(turns[i], 16);
        const int32x2_t a[2] = {vget_low_s32(in.val[0]), vget_high_s32(in.val[0])};
        const int32x2_t b[2] = {vget_low_s32(in.val[1]), vget_high_s32(in.val[1])};
        const int32x2_t c[2] = {vget_low_s32(cosine), vget_high_s32(cosine)}, t[2] = {vget_low_s32(sine), vget_high_s32(sine)};
        int32x2_t x[2], y[2];
        UNROLLED for (int k = 0; k < 2; k++) {
            x[k] = vqrshrn_n_s64(vmlsl_s32(vmull_s32(a[k], c[k]), b[k], t[k]), 14);
            y[k] = vqrshrn_n_s64(vmlal_s32(vmull_s32(a[k], t[k]), b[k], c[k]), 14);
        }
        const int32x4x2_t out = vzipq_s32(vcombine_s32(x[0], x[1]), vcombine_s32(y[0], y[1]));
        s.q[2 * i] = out.val[0];
        s.q[2 * i + 1] = out.val[1];
    }
    return joined(s);
}
#else
INLINE i32x16 rotated(i32x16 v, i32x8 angles) {
    const i64x8 wide_angles = __builtin_convertvector(angles, i64x8), cosine = (wide_angles << 48) >> 48, sine = wide_angles >> 16;
    const i64x8 a = low((i64x8)v), b = (i64x8)v >> 32;
    const struct wide turned = round_shift((struct wide){a * cosine - b * sine, a * sine + b * cosine}, 14);
    const struct wide ends = clamp(turned, INT32_MIN, INT32_MAX);
    return (i32x16)((ends.a & 0xFFFFFFFF) | (ends.b << 32));
}
#endif

static void rotate(int32_t *heads, size_t head_count, size_t head_size, const int16_t *row) {
    if (16 % head_size == 0) {
        /* Several heads at a time, all turned alike. */
        i32x8 angles;
        char repeated[32];
        for (size_t at = 0; at < 32; at += 2 * head_size) __builtin_memcpy(repeated + at, row, 2 * head_size);
        __builtin_memcpy(&angles, repeated, 32);
        BY_16(head_count * head_size, { store_some(heads + i, rotated(load_some(heads + i, left), angles), left); })
        return;
    }
    for (size_t head = 0; head < head_count; head++, heads += head_size) {
        BY_16(head_size, {
            i32x8 angles = {0};
            __builtin_memcpy(&angles, row + i, 2 * left);
            store_some(heads + i, rotated(load_some(heads + i, left), angles), left);
        })
    }
}

/* MARK: Activations */

/* A table's entry (low half) and the next (high half). */
INLINE int64_t entry_pair(const uint32_t *table, int32_t index) {
    int64_t pair;
    __builtin_memcpy(&pair, table + index, 8);
    return pair;
}

/* Those of 16 indices, in the order of `wide`. */
INLINE struct wide entry_pairs(const uint32_t *table, i32x16 indices) {
    int32_t at[16];
    store(at, indices);
    struct wide pairs;
#if defined(__x86_64__)
    for (int k = 0; k < 8; k++) pairs.a[k] = entry_pair(table, at[2 * k]), pairs.b[k] = entry_pair(table, at[2 * k + 1]);
#else
    for (int k = 0; k < 8; k++) pairs.a[k] = entry_pair(table, at[k]), pairs.b[k] = entry_pair(table, at[k + 8]);
#endif
    return pairs;
}

/* x times the distribution function at t, which lies in 0 ... 2^31 (Q31) and so is taken less 2^30. */
INLINE i32x16 activated(i32x16 x, int32_t to_q20, const uint32_t *table, int32_t index_shift) {
    const i32x16 t = scale_narrow(x, to_q20);
    const u32x16 m = magnitude(t), end = (u32x16)splat(1 << (index_shift + 10));
    const u32x16 inside = __builtin_elementwise_min(m, end - 1);
    const struct wide pairs = entry_pairs(table, (i32x16)(inside >> (uint32_t)index_shift));
    const struct wide value = {pairs.a & 0xFFFFFFFF, pairs.b & 0xFFFFFFFF};
    const struct wide rise = {(pairs.a >> 32 & 0xFFFFFFFF) - value.a, (pairs.b >> 32 & 0xFFFFFFFF) - value.b};
    const i32x16 fraction = (i32x16)(inside & ((1u << index_shift) - 1));
    const struct wide between = round_shift(multiply_low(rise, widen(fraction)), index_shift);
    i32x16 s = narrow_low(add_each(add(value, between), -(1 << 30)));
    s = choose((i32x16)(m >= end), splat(1 << 30), s);
    s = choose(t < 0, -s, s);
    return saturate(round_shift(add(multiply(x, s), shift_left(widen(x), 30)), 31));
}

static uint32_t activate(int32_t *x, size_t count, int32_t fraction_bits, const uint32_t *table, int32_t index_shift) {
    u32x16 most = {0};
    BY_16(count, {
        const i32x16 y = activated(load_some(x + i, left), fraction_bits - 20, table, index_shift);
        most = __builtin_elementwise_max(most, magnitude(y));
        store_some(x + i, y, left);
    })
    return greatest_of(most);
}

static uint32_t multiply_gate(int32_t *gate, const int32_t *up, size_t count, int32_t shift) {
    u32x16 most = {0};
    BY_16(count, {
        const i32x16 h = saturate(round_shift(multiply(load_some(gate + i, left), load_some(up + i, left)), shift));
        most = __builtin_elementwise_max(most, magnitude(h));
        store_some(gate + i, h, left);
    })
    return greatest_of(most);
}

/* MARK: Searching and sampling */

static int32_t least(const int32_t *x, size_t count) {
    i32x16 result = splat(x[0]);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) result = __builtin_elementwise_min(result, load(x + i));
    int32_t value = __builtin_reduce_min(result);
    for (; i < count; i++) value = x[i] < value ? x[i] : value;
    return value;
}

static size_t greatest(const int32_t *x, size_t count) {
    i32x16 most = splat(x[0]);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) most = __builtin_elementwise_max(most, load(x + i));
    int32_t value = __builtin_reduce_max(most);
    for (; i < count; i++) value = x[i] > value ? x[i] : value;
    i = 0;
    for (; i + 16 <= count; i += 16) {
        if (__builtin_reduce_or(load(x + i) == value)) break;
    }
    while (x[i] != value) i++;
    return i;
}

/* Up to 16 distances. */
INLINE u32x16 distances(const struct stlm_softmax_call *c, size_t i, size_t left) {
    const u32x16 distance = (u32x16)splat(c->greatest) - (u32x16)load_some(c->x + i, left);
    const struct wide d = widen((i32x16)distance);
    const u64x8 a = (u64x8)d.a & 0xFFFFFFFF, b = (u64x8)d.b & 0xFFFFFFFF;
    const uint64_t factor_low = c->factor & 0xFFFFFFFF, factor_high = c->factor >> 32;
    u64x8 pa = a * factor_low, pb = b * factor_low;
    if (factor_high) {
        pa = (a * factor_high + (pa >> 32)) >> (uint64_t)(c->shift - 32);
        pb = (b * factor_high + (pb >> 32)) >> (uint64_t)(c->shift - 32);
    } else {
        pa >>= (uint64_t)c->shift;
        pb >>= (uint64_t)c->shift;
    }
    const u64x8 most = (u64x8)splat_wide(0xFFFFFFFF);
    pa = __builtin_elementwise_min(pa, most);
    pb = __builtin_elementwise_min(pb, most);
    return (u32x16)narrow_low((struct wide){(i64x8)pa, (i64x8)pb});
}

/* exp2n of them; 0 beyond the last and below the least probability. */
INLINE u32x16 probabilities(const struct stlm_softmax_call *c, u32x16 distances, size_t left) {
    u32x16 p = exp2_negative(distances);
    p &= (u32x16)(p >= c->least);
    return (u32x16)keep_first((i32x16)p, left);
}

INLINE uint64_t total_of(u32x16 p) {
    const struct wide w = widen((i32x16)p);
    return __builtin_reduce_add(((u64x8)w.a & 0xFFFFFFFF) + ((u64x8)w.b & 0xFFFFFFFF));
}

static uint64_t softmax_total(const struct stlm_softmax_call *call) {
    const struct stlm_softmax_call c = *call;
    u64x8 sum = {0};
    BY_16(c.count, {
        const struct wide w = widen((i32x16)probabilities(&c, distances(&c, i, left), left));
        sum += ((u64x8)w.a & 0xFFFFFFFF) + ((u64x8)w.b & 0xFFFFFFFF);
    })
    return __builtin_reduce_add(sum);
}

static size_t softmax_find(const struct stlm_softmax_call *call, uint64_t rest) {
    const struct stlm_softmax_call c = *call;
    BY_16(c.count, {
        const u32x16 p = probabilities(&c, distances(&c, i, left), left);
        const uint64_t total = total_of(p);
        if (rest < total) {
            uint32_t each[16];
            store((int32_t *)each, (i32x16)p);
            size_t k = 0;
            while (rest >= each[k]) rest -= each[k++];
            return i + k;
        }
        rest -= total;
    })
    return c.count;
}

static void softmax_bins(const struct stlm_softmax_call *call, uint64_t *bins) {
    const struct stlm_softmax_call c = *call;
    __builtin_memset(bins, 0, 4 * 512 * 8);
    BY_16(c.count, {
        const u32x16 d = distances(&c, i, left), p = probabilities(&c, d, left);
        uint32_t at[16], each[16];
        store((int32_t *)at, (i32x16)__builtin_elementwise_min(d >> 20, (u32x16)splat(511)));
        store((int32_t *)each, (i32x16)p);
        /* Neighbours go to bins of their own: most fall into few, and would wait for each other. */
        for (int k = 0; k < 16; k++) bins[512 * (k % 4) + at[k]] += each[k];
    })
    for (int k = 0; k < 512; k++) bins[k] += bins[512 + k] + bins[1024 + k] + bins[1536 + k];
}

static size_t next_between(const int32_t *x, size_t from, size_t count, int32_t low_end, int32_t high_end) {
    for (; from + 16 <= count; from += 16) {
        const i32x16 v = load(x + from);
        if (__builtin_reduce_or((v >= low_end) & (v <= high_end))) break;
    }
    while (from < count && (x[from] < low_end || x[from] > high_end)) from++;
    return from;
}

/* MARK: Memory */

static uint64_t read_all(const void *bytes, size_t byte_count) {
    const char *p = bytes;
    u64x8 a = {0}, b = {0}, c = {0}, d = {0}, v;
    for (size_t i = 0; i + 256 <= byte_count; i += 256) {
        __builtin_memcpy(&v, p + i, 64);
        a += v;
        __builtin_memcpy(&v, p + i + 64, 64);
        b += v;
        __builtin_memcpy(&v, p + i + 128, 64);
        c += v;
        __builtin_memcpy(&v, p + i + 192, 64);
        d += v;
    }
    return __builtin_reduce_add(a + b + c + d);
}

const struct elementwise_table ELEMENTWISE = {
    .quantize = quantize,
    .quantize_heads = quantize_heads,
    .quantize_nibbles = quantize_nibbles,
    .quantize_bytes = quantize_bytes,
    .maximum_magnitude = maximum_magnitude,
    .centered_maximum = centered_maximum,
    .sum_of_squares = sum_of_squares,
    .norm = norm,
    .rotate = rotate,
    .activate = activate,
    .multiply_gate = multiply_gate,
    .least = least,
    .greatest = greatest,
    .softmax_total = softmax_total,
    .softmax_find = softmax_find,
    .softmax_bins = softmax_bins,
    .next_between = next_between,
    .read_all = read_all,
    .checksum = checksum,
};
