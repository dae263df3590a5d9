/* Vectors of 16 rows, elements or positions, in clang's vector extensions: one source, compiled once for each CPU feature.
   Only dot products are written with a CPU's own instructions (dots_*.h). */
#ifndef STLM_VECTORS_H
#define STLM_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* Vectors wider than the CPU's pass between inlined functions only. */
#pragma clang diagnostic ignored "-Wpsabi"

typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int8_t i8x64 __attribute__((vector_size(64)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint8_t u8x64 __attribute__((vector_size(64)));
typedef int16_t i16x16 __attribute__((vector_size(32)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef int16_t i16x32 __attribute__((vector_size(64)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLLED _Pragma("clang loop unroll(full)")

/* At any address. */
INLINE int32_t four_bytes(const void *p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return x;
}
INLINE int64_t eight_bytes(const void *p) {
    int64_t x;
    __builtin_memcpy(&x, p, 8);
    return x;
}

INLINE i32x16 load(const int32_t *p) {
    i32x16 v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(int32_t *p, i32x16 v) { __builtin_memcpy(p, &v, sizeof v); }

/* Copies fewer than 64 bytes, without a call that would cost more than the copy. */
static __attribute__((noinline, unused)) void copy_few(void *to, const void *from, size_t bytes) {
    char *t = to;
    const char *f = from;
#define COPY(n)                     \
    if (bytes & n) {                \
        __builtin_memcpy(t, f, n);  \
        t += n, f += n;             \
    }
    COPY(32) COPY(16) COPY(8) COPY(4) COPY(2) COPY(1)
#undef COPY
}

/* The first `count` elements, 16 or fewer; the others are 0. */
INLINE i32x16 load_some(const int32_t *p, size_t count) {
    if (count >= 16) return load(p);
    int32_t part[16] = {0};
    copy_few(part, p, 4 * count);
    return load(part);
}

INLINE void store_some(int32_t *p, i32x16 v, size_t count) {
    if (count >= 16) {
        store(p, v);
        return;
    }
    int32_t part[16];
    store(part, v);
    copy_few(p, part, 4 * count);
}

/* Runs a statement for i = 0, 16, ...: with left = 16 in whole vectors, and once with what remains. */
#define BY_16(count, ...)                        \
    {                                            \
        size_t i = 0;                            \
        for (; i + 16 <= (count); i += 16) {     \
            const size_t left = 16;              \
            (void)left;                          \
            __VA_ARGS__                          \
        }                                        \
        if (i < (count)) {                       \
            const size_t left = (count) - i;     \
            __VA_ARGS__                          \
        }                                        \
    }

INLINE i32x16 splat(int32_t x) { return (i32x16){0} + x; }
INLINE i64x8 splat_wide(int64_t x) { return (i64x8){0} + x; }
INLINE i32x16 indices(void) { return (i32x16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

/* a where the mask is -1, b where it is 0. */
INLINE i32x16 choose(i32x16 mask, i32x16 a, i32x16 b) { return (mask & a) | (~mask & b); }
/* Elements from `count` on become 0. */
INLINE i32x16 keep_first(i32x16 x, size_t count) { return count < 16 ? x & (indices() < splat((int32_t)count)) : x; }

/* 16 elements of 64 bits, in the order in which the CPU widens best. Only the low 32 bits of an element count where a function
   says "low". */
struct wide {
    i64x8 a, b;
};

#if defined(__x86_64__)
/* Even elements, odd elements: a multiplication reads the low halves of 64 bits where they are. */
INLINE struct wide widen(i32x16 x) { return (struct wide){((i64x8)x << 32) >> 32, (i64x8)x >> 32}; }
INLINE i32x16 narrow_low(struct wide w) { return (i32x16)((w.a & 0xFFFFFFFF) | (w.b << 32)); }
#else
INLINE struct wide widen(i32x16 x) {
    return (struct wide){
        __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), i64x8),
        __builtin_convertvector(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15), i64x8)};
}
INLINE i32x16 narrow_low(struct wide w) {
    const i32x8 a = __builtin_convertvector(w.a, i32x8), b = __builtin_convertvector(w.b, i32x8);
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#endif

/* Sign-extended low halves: the form in which compilers see a 32 x 32 bit multiplication. */
INLINE i64x8 low(i64x8 x) { return (x << 32) >> 32; }

INLINE struct wide add(struct wide x, struct wide y) { return (struct wide){x.a + y.a, x.b + y.b}; }
INLINE struct wide add_each(struct wide x, int64_t y) { return (struct wide){x.a + y, x.b + y}; }
INLINE struct wide shift_left(struct wide x, int n) { return (struct wide){x.a << n, x.b << n}; }

/* The high halves. */
INLINE struct wide high_halves(struct wide x) { return (struct wide){(i64x8)((u64x8)x.a >> 32), (i64x8)((u64x8)x.b >> 32)}; }

#if defined(__ARM_NEON)
#include "vectors_neon.h"
#else

/* Product of the low halves. */
INLINE struct wide multiply_low(struct wide x, struct wide y) {
    return (struct wide){low(x.a) * low(y.a), low(x.b) * low(y.b)};
}

/* rshr of arithmetic-1 by 0 ... 63, one shift for all. */
INLINE struct wide round_shift(struct wide x, int shift) {
    const int64_t half = (int64_t)((UINT64_C(1) << shift) >> 1);
    return (struct wide){(x.a + half) >> shift, (x.b + half) >> shift};
}
/* The same where the result fits in 32 bits: low. */
INLINE struct wide round_shift_low(struct wide x, int shift) {
    const int64_t half = (int64_t)((UINT64_C(1) << shift) >> 1);
    return (struct wide){(i64x8)((u64x8)(x.a + half) >> shift), (i64x8)((u64x8)(x.b + half) >> shift)};
}
/* The same, a shift of 0 ... 63 for each. */
INLINE struct wide round_shifts(struct wide x, i32x16 shifts) {
    const struct wide s = widen(shifts);
    const u64x8 one = (u64x8)splat_wide(1);
    const i64x8 ha = (i64x8)((one << (u64x8)s.a) >> 1), hb = (i64x8)((one << (u64x8)s.b) >> 1);
    return (struct wide){(x.a + ha) >> s.a, (x.b + hb) >> s.b};
}

/* The same for shifts of 1 ... 63, given less 1: no half to add. */
INLINE struct wide round_wide_shifts_less_1(struct wide x, struct wide s) {
    return (struct wide){((x.a >> s.a) + 1) >> 1, ((x.b >> s.b) + 1) >> 1};
}
INLINE struct wide round_shifts_less_1(struct wide x, i32x16 shifts_less_1) {
    return round_wide_shifts_less_1(x, widen(shifts_less_1));
}

INLINE struct wide clamp(struct wide x, int64_t least, int64_t most) {
    const i64x8 low_end = splat_wide(least), high_end = splat_wide(most);
    return (struct wide){
        __builtin_elementwise_min(__builtin_elementwise_max(x.a, low_end), high_end),
        __builtin_elementwise_min(__builtin_elementwise_max(x.b, low_end), high_end)};
}
INLINE i32x16 saturate(struct wide x) { return narrow_low(clamp(x, INT32_MIN, INT32_MAX)); }

/* A shift to the left by 0 ... 31 each, of what saturates after it. */
INLINE struct wide shift_left_each(struct wide x, i32x16 shifts) {
    const struct wide c = clamp(x, -(INT64_C(1) << 31), INT64_C(1) << 31), s = widen(shifts);
    return (struct wide){c.a << s.a, c.b << s.b};
}

/* rshr of 32 bits, by 0 or more: the quotient rounded down, and the bit below it. */
INLINE i32x16 round_shift_narrow(i32x16 x, int shift) {
    if (shift <= 0) return x;
    return (x >> (shift > 31 ? 31 : shift)) + (x >> (shift > 32 ? 31 : shift - 1) & 1);
}

/* scale of arithmetic-1 of 32 bits, by any shift. */
INLINE i32x16 scale_narrow(i32x16 x, int shift) {
    if (shift >= 0) return round_shift_narrow(x, shift);
    const int left = shift < -31 ? 31 : -shift;
    const i32x16 most = splat(INT32_MAX), least = splat(INT32_MIN);
    const i32x16 shifted = (i32x16)((u32x16)x << left);
    return choose(x > (most >> left), most, choose(x < (least >> left), least, shifted));
}

/* Product of the low halves, without signs. */
INLINE struct wide multiply_unsigned(struct wide x, struct wide y) {
    const u64x8 mask = (u64x8)splat_wide(0xFFFFFFFF);
    return (struct wide){
        (i64x8)(((u64x8)x.a & mask) * ((u64x8)y.a & mask)), (i64x8)(((u64x8)x.b & mask) * ((u64x8)y.b & mask))};
}

/* One step of exp2n in magnitudes, for f in units of 2^-32: c - rshr(r * f, 32). Coefficients alternate in sign; where the product is the
   negative one, halves round to the other side, which `tie` 1 says. */
INLINE struct wide horner(struct wide r, struct wide f, int64_t c, int64_t tie) {
    const int64_t from = (c << 32) + UINT32_MAX - ((INT64_C(1) << 31) - (tie << 8));
    const struct wide product = multiply_unsigned(r, f);
    return high_halves((struct wide){from - product.a, from - product.b});
}

/* 2^-x in Q30, x in units of 2^-24: arithmetic-1, section 2.1. */
INLINE u32x16 exp2_negative(u32x16 x) {
    const struct wide f = widen((i32x16)(x << 8));
    int64_t first = 1018360;
    __asm__("" : "+r"(first)); /* Else x86 compilers take a multiplication of 64 bits for the constant's sake. */
    struct wide r = {splat_wide(first), splat_wide(first)};
    r = horner(r, f, 9895595, 1);
    r = horner(r, f, 59385858, 0);
    r = horner(r, f, 257895610, 1);
    r = horner(r, f, 744257899, 0);
    r = horner(r, f, 1073741824, 1);
    const u32x16 whole = x >> 24, shift = __builtin_elementwise_min(whole, (u32x16)splat(31));
    const u32x16 rounded = ((u32x16)narrow_low(r) + (((u32x16)splat(1) << shift) >> 1)) >> shift;
    return rounded & (u32x16)(whole < 32);
}

#endif

INLINE struct wide multiply(i32x16 x, i32x16 y) { return multiply_low(widen(x), widen(y)); }
INLINE i32x16 add_saturating(i32x16 x, i32x16 y) { return __builtin_elementwise_add_sat(x, y); }
INLINE u32x16 magnitude(i32x16 x) { return (u32x16)__builtin_elementwise_abs(x); }
INLINE uint32_t greatest_of(u32x16 x) { return __builtin_reduce_max(x); }
INLINE int64_t sum_of(struct wide x) { return __builtin_reduce_add(x.a + x.b); }

#endif
