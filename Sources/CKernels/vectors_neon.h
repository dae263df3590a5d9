/* Functions of vectors.h that NEON has instructions for: rounding and saturating shifts, products of 32 bits, narrowing. Written out also
   because clang takes constants of 64 bits apart with floating-point instructions (fneg), and ARMv7 has no products of 64 bits. */
#include <arm_neon.h>

/* 2 elements of 64 bits each. */
struct pairs {
    int64x2_t p[8];
};
/* 4 elements of 32 bits each. */
struct quarters {
    int32x4_t q[4];
};

INLINE struct pairs pairs_of(struct wide x) {
    struct pairs s;
    __builtin_memcpy(&s, &x, 128);
    return s;
}
INLINE struct wide wide_of(struct pairs s) {
    struct wide x;
    __builtin_memcpy(&x, &s, 128);
    return x;
}
INLINE struct quarters quarters_of(i32x16 x) {
    struct quarters s;
    __builtin_memcpy(&s, &x, 64);
    return s;
}
INLINE i32x16 joined(struct quarters s) {
    i32x16 x;
    __builtin_memcpy(&x, &s, 64);
    return x;
}

/* Product of the low halves. */
INLINE struct wide multiply_low(struct wide x, struct wide y) {
    struct pairs a = pairs_of(x), b = pairs_of(y);
    UNROLLED for (int i = 0; i < 8; i++) a.p[i] = vmull_s32(vmovn_s64(a.p[i]), vmovn_s64(b.p[i]));
    return wide_of(a);
}

/* The same without signs. */
INLINE struct wide multiply_unsigned(struct wide x, struct wide y) {
    struct pairs a = pairs_of(x), b = pairs_of(y);
    UNROLLED for (int i = 0; i < 8; i++) {
        const uint32x2_t p = vreinterpret_u32_s32(vmovn_s64(a.p[i])), q = vreinterpret_u32_s32(vmovn_s64(b.p[i]));
        a.p[i] = vreinterpretq_s64_u64(vmull_u32(p, q));
    }
    return wide_of(a);
}

/* rshr of arithmetic-1 by 0 ... 63, one shift for all. */
INLINE struct wide round_shift(struct wide x, int shift) {
    struct pairs a = pairs_of(x);
    UNROLLED for (int i = 0; i < 8; i++) a.p[i] = vrshlq_s64(a.p[i], vdupq_n_s64(-shift));
    return wide_of(a);
}
INLINE struct wide round_shift_low(struct wide x, int shift) { return round_shift(x, shift); }

/* The same, a shift of 0 ... 63 for each. */
INLINE struct wide round_shifts(struct wide x, i32x16 shifts) {
    struct pairs a = pairs_of(x), s = pairs_of(widen(-shifts));
    UNROLLED for (int i = 0; i < 8; i++) a.p[i] = vrshlq_s64(a.p[i], s.p[i]);
    return wide_of(a);
}

INLINE struct wide round_shifts_less_1(struct wide x, i32x16 shifts_less_1) { return round_shifts(x, shifts_less_1 + 1); }

INLINE i32x16 saturate(struct wide x) {
    const struct pairs a = pairs_of(x);
    struct quarters s;
    UNROLLED for (int i = 0; i < 4; i++) s.q[i] = vcombine_s32(vqmovn_s64(a.p[2 * i]), vqmovn_s64(a.p[2 * i + 1]));
    return joined(s);
}

/* scale of arithmetic-1 by one shift, any, and another 0 ... 31 for each. Beyond 64, to the left 32, a greater one changes nothing. */
INLINE i32x16 scale_each(struct wide x, int shift, i32x16 shifts) {
    const int within = shift < -96 ? -96 : shift > 96 ? 96 : shift;
    struct pairs a = pairs_of(x), s = pairs_of(widen(-within - shifts));
    UNROLLED for (int i = 0; i < 8; i++) a.p[i] = vqrshlq_s64(a.p[i], s.p[i]);
    return saturate(wide_of(a));
}

/* scale of arithmetic-1 of 32 bits, by any shift. */
INLINE i32x16 scale_narrow(i32x16 x, int shift) {
    struct quarters s = quarters_of(x);
    const int32x4_t left = vdupq_n_s32(shift > 63 ? -63 : shift < -63 ? 63 : -shift);
    UNROLLED for (int i = 0; i < 4; i++) s.q[i] = vqrshlq_s32(s.q[i], left);
    return joined(s);
}

/* rshr of 32 bits by 0 ... 32 or more. */
INLINE i32x16 round_shift_narrow(i32x16 x, int shift) { return scale_narrow(x, shift); }

/* 2^-x in Q30, x in units of 2^-24: arithmetic-1, section 2.1. */
INLINE u32x16 exp2_negative(u32x16 x) {
    static const int32_t c[5] = {9895595, -59385858, 257895610, -744257899, 1073741824};
    struct quarters s = quarters_of((i32x16)x);
    UNROLLED for (int i = 0; i < 4; i++) {
        const int32x4_t f = vandq_s32(s.q[i], vdupq_n_s32(0xFFFFFF));
        int32x4_t r = vdupq_n_s32(-1018360);
        UNROLLED for (int k = 0; k < 5; k++) {
            const int64x2_t a = vmull_s32(vget_low_s32(r), vget_low_s32(f)), b = vmull_s32(vget_high_s32(r), vget_high_s32(f));
            r = vaddq_s32(vcombine_s32(vrshrn_n_s64(a, 24), vrshrn_n_s64(b, 24)), vdupq_n_s32(c[k]));
        }
        const uint32x4_t whole = vminq_u32(vshrq_n_u32(vreinterpretq_u32_s32(s.q[i]), 24), vdupq_n_u32(32));
        s.q[i] = vreinterpretq_s32_u32(vrshlq_u32(vreinterpretq_u32_s32(r), vnegq_s32(vreinterpretq_s32_u32(whole))));
    }
    return (u32x16)joined(s);
}
