/* What groups.h takes from dots_neon.h, which includes this. */

#define BIAS 0
#define GROUP_TILE 2
#define GROUP_BLOCKS 1

/* 64 bytes in four registers. */
struct bytes_in_quarters {
    uint8x16_t q[4];
};

INLINE struct bytes_in_quarters quarters_of_bytes(u8x64 x) {
    struct bytes_in_quarters s;
    __builtin_memcpy(&s, &x, 64);
    return s;
}

INLINE u8x64 lookup(u8x16 table, u8x64 indices) {
    struct bytes_in_quarters s = quarters_of_bytes(indices);
#if defined(__aarch64__)
    UNROLLED for (int i = 0; i < 4; i++) s.q[i] = vqtbl1q_u8((uint8x16_t)table, s.q[i]);
#else
    const uint8x8x2_t t = {{vget_low_u8((uint8x16_t)table), vget_high_u8((uint8x16_t)table)}};
    UNROLLED for (int i = 0; i < 4; i++) s.q[i] = vcombine_u8(vtbl2_u8(t, vget_low_u8(s.q[i])), vtbl2_u8(t, vget_high_u8(s.q[i])));
#endif
    u8x64 x;
    __builtin_memcpy(&x, &s, 64);
    return x;
}

INLINE i32x16 added_group(i32x16 total, const u8x64 *levels, const char *x, i32x16 scales) {
    struct quarters t = quarters_of(total);
    const struct quarters s = quarters_of(scales);
#if DOTPROD
    const int8x16_t four = vld1q_s8((const int8_t *)x);
    UNROLLED for (int i = 0; i < 4; i++) {
        int32x4_t sum = vdupq_n_s32(0);
        sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(quarters_of_bytes(levels[0]).q[i]), four, 0);
        sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(quarters_of_bytes(levels[1]).q[i]), four, 1);
        sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(quarters_of_bytes(levels[2]).q[i]), four, 2);
        sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(quarters_of_bytes(levels[3]).q[i]), four, 3);
        t.q[i] = vmlaq_s32(t.q[i], sum, s.q[i]);
    }
#else
    /* Four products are at most 4 * 64 * 127 = 32,512 and fit in 16 bits. */
    int8x16_t lines[4];
    UNROLLED for (int k = 0; k < 4; k++) {
        lines[k] = vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x + 4 * k)));
        WHOLE(lines[k]);
    }
    UNROLLED for (int i = 0; i < 4; i++) {
        const int8x16_t first = vreinterpretq_s8_u8(quarters_of_bytes(levels[0]).q[i]);
        int16x8_t low = vmull_s8(vget_low_s8(first), vget_low_s8(lines[0])), high = MULTIPLY_HIGH(s8, first, lines[0]);
        UNROLLED for (int k = 1; k < 4; k++) {
            const int8x16_t w = vreinterpretq_s8_u8(quarters_of_bytes(levels[k]).q[i]);
            low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(lines[k]));
            high = ADD_PRODUCTS_HIGH(s8, high, w, lines[k]);
        }
        t.q[i] = vmlaq_s32(t.q[i], sums_of_pairs(vpaddlq_s16(low), vpaddlq_s16(high)), s.q[i]);
    }
#endif
    return joined(t);
}

INLINE void add_group(
    i32x16 *totals, const u8x64 *const *levels, const char *x, size_t stride, const int vectors, const int blocks, const i32x16 *scales,
    const int has_unsigned_levels) {
    (void)has_unsigned_levels;
    UNROLLED for (int v = 0; v < vectors; v++) {
        UNROLLED for (int b = 0; b < blocks; b++)
            totals[v * blocks + b] = added_group(totals[v * blocks + b], levels[b], x + (size_t)v * stride, scales[b]);
    }
}
