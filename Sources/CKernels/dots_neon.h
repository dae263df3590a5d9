/* Dot products of NEON; with DOTPROD defined as 1 those of the instructions of that name, with I8MM those of mixed signs too: linear.h
   says what for. Plain NEON adds two products in the width of a product, then neighbouring sums to a sum of twice that width. */
#include "vectors.h"

#define BLOCKS 1
#define PAIR_CHAINS 1
#define POSITION_GROUPS 1

#if defined(__aarch64__)
/* Keeps compilers from taking the halves of a vector of equal parts for narrow vectors, which have no *_high instructions. */
#define WHOLE(v) __asm__("" : "+w"(v))
#define MULTIPLY_HIGH(type, a, b) vmull_high_##type(a, b)
#define ADD_PRODUCTS_HIGH(type, sum, a, b) vmlal_high_##type(sum, a, b)
#else
#define WHOLE(v)
#define MULTIPLY_HIGH(type, a, b) vmull_##type(vget_high_##type(a), vget_high_##type(b))
#define ADD_PRODUCTS_HIGH(type, sum, a, b) vmlal_##type(sum, vget_high_##type(a), vget_high_##type(b))
#endif

INLINE int32_t first_sum(const void *activations, size_t line_count) { return (void)activations, (void)line_count, 0; }

/* MARK: int8 x int8 */

#if DOTPROD

#define VECTORS 4
#define LINES 2
#define STEP 4
#define UNIT 1

/* 4 rows each. */
struct codes {
    int8x16_t q[4];
};
struct activations {
    int8x16_t lines;
};
typedef struct quarters dot_sums;

INLINE struct codes prepare(const void *line, const int lines) {
    const int8_t *w = line;
    (void)lines;
    return (struct codes){{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)}};
}

INLINE struct activations activations_of(const void *x, const int lines) {
    return (struct activations){lines == 1 ? vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x))) : vld1q_s8(x)};
}

INLINE dot_sums sums_from(int32_t first) {
    const int32x4_t q = vdupq_n_s32(first);
    return (dot_sums){{q, q, q, q}};
}
INLINE i32x16 rows_of(dot_sums s) { return joined(s); }

/* An instruction's choice of line is a constant. */
#define ROWS_BY(number, ...)                   \
    UNROLLED for (int i = 0; i < 4; i++) {     \
        enum { lane = number };                \
        __VA_ARGS__                            \
    }
#define BY_LINE(k, ...)                        \
    {                                          \
        if ((k) == 0) ROWS_BY(0, __VA_ARGS__)  \
        if ((k) == 1) ROWS_BY(1, __VA_ARGS__)  \
        if ((k) == 2) ROWS_BY(2, __VA_ARGS__)  \
        if ((k) == 3) ROWS_BY(3, __VA_ARGS__)  \
    }

INLINE dot_sums dot4(dot_sums s, struct codes w, struct activations x, const int k) {
    BY_LINE(k, s.q[i] = vdotq_laneq_s32(s.q[i], w.q[i], x.lines, lane);)
    return s;
}

#else

#if defined(__aarch64__)
#define VECTORS 2
#define LINES 2
#else
#define VECTORS 1
#define LINES 1
#endif
#define STEP 2
#define UNIT 2

/* Two lines, or one and zeros. */
struct codes {
    int8x16_t a[4], b[4];
};
struct activations {
    int8x16_t a, b;
};
/* Each row's sum in two elements. */
typedef struct {
    int32x4_t q[8];
} dot_sums;

INLINE struct codes prepare(const void *line, const int lines) {
    const int8_t *w = line;
    struct codes c;
    UNROLLED for (int i = 0; i < 4; i++) {
        c.a[i] = vld1q_s8(w + 16 * i);
        c.b[i] = lines == 1 ? vdupq_n_s8(0) : vld1q_s8(w + 64 + 16 * i);
    }
    return c;
}

INLINE struct activations activations_of(const void *x, const int lines) {
    const char *p = x;
    int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(p))), b = vdupq_n_s8(0);
    if (lines > 1) b = vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(p + 4)));
    WHOLE(a);
    WHOLE(b);
    return (struct activations){a, b};
}

INLINE dot_sums sums_from(int32_t first) {
    const int32x4_t q = vdupq_n_s32(0);
    (void)first;
    return (dot_sums){{q, q, q, q, q, q, q, q}};
}

#if defined(__aarch64__)
INLINE int32x4_t sums_of_pairs(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
#else
INLINE int32x4_t sums_of_pairs(int32x4_t a, int32x4_t b) {
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
#endif

INLINE i32x16 rows_of(dot_sums s) {
    struct quarters rows;
    UNROLLED for (int i = 0; i < 4; i++) rows.q[i] = sums_of_pairs(s.q[2 * i], s.q[2 * i + 1]);
    return joined(rows);
}

/* Two products are at most 2 * 128 * 127 = 32,512 and fit in 16 bits. */
INLINE dot_sums dot4(dot_sums s, struct codes w, struct activations x, const int k) {
    (void)k;
    UNROLLED for (int i = 0; i < 4; i++) {
        const int16x8_t low = vmull_s8(vget_low_s8(w.a[i]), vget_low_s8(x.a)), high = MULTIPLY_HIGH(s8, w.a[i], x.a);
        s.q[2 * i] = vpadalq_s16(s.q[2 * i], vmlal_s8(low, vget_low_s8(w.b[i]), vget_low_s8(x.b)));
        s.q[2 * i + 1] = vpadalq_s16(s.q[2 * i + 1], ADD_PRODUCTS_HIGH(s8, high, w.b[i], x.b));
    }
    return s;
}

#endif

/* MARK: int8 x int16 */

#if DOTPROD

#define WIDE_VECTORS 2
#define SPLITS_ACTIVATIONS 1

#if I8MM

INLINE struct activations unsigned_activations_of(const void *x, const int lines) { return activations_of(x, lines); }

/* Activations 0 ... 255. */
INLINE dot_sums dot4_unsigned(dot_sums s, struct codes w, struct activations x, const int k) {
    const uint8x16_t v = vreinterpretq_u8_s8(x.lines);
    BY_LINE(k, s.q[i] = vsudotq_laneq_s32(s.q[i], w.q[i], v, lane);)
    return s;
}

/* Unsigned activations need no correction here. */
struct row_sums {};
INLINE struct row_sums no_row_sums(void) { return (struct row_sums){}; }
INLINE struct row_sums add_row_sums(struct row_sums sums, struct codes w) { return (void)w, sums; }
INLINE i32x16 with_row_sums(i32x16 sum, struct row_sums sums) { return (void)sums, sum; }

#else

/* Less 128, which the sums of the rows' codes make up for. */
INLINE struct activations unsigned_activations_of(const void *x, const int lines) {
    return (struct activations){veorq_s8(activations_of(x, lines).lines, vdupq_n_s8(-128))};
}

INLINE dot_sums dot4_unsigned(dot_sums s, struct codes w, struct activations x, const int k) { return dot4(s, w, x, k); }

struct row_sums {
    struct quarters sums;
};
INLINE struct row_sums no_row_sums(void) { return (struct row_sums){sums_from(0)}; }
INLINE struct row_sums add_row_sums(struct row_sums s, struct codes w) {
    UNROLLED for (int i = 0; i < 4; i++) s.sums.q[i] = vdotq_s32(s.sums.q[i], w.q[i], vdupq_n_s8(1));
    return s;
}
INLINE i32x16 with_row_sums(i32x16 sum, struct row_sums s) { return sum + (joined(s.sums) << 7); }

#endif

#else

#define WIDE_VECTORS 1
#define SPLITS_ACTIVATIONS 0

#if defined(__aarch64__)

/* Rows 4 i ... 4 i + 1, then 4 i + 2 ... 4 i + 3. */
struct wide_codes {
    int16x8_t a[4], b[4];
};

INLINE struct wide_codes widened(const void *line) {
    const int8_t *p = line;
    struct wide_codes w;
    UNROLLED for (int i = 0; i < 4; i++) {
        const int8x16_t c = vld1q_s8(p + 16 * i);
        w.a[i] = vmovl_s8(vget_low_s8(c));
        w.b[i] = vmovl_high_s8(c);
    }
    return w;
}

/* Each row's sum in four elements. */
struct wide_sums {
    int32x4_t q[16];
};

INLINE struct wide_sums no_wide_sums(void) {
    struct wide_sums s;
    UNROLLED for (int i = 0; i < 16; i++) s.q[i] = vdupq_n_s32(0);
    return s;
}

INLINE struct wide_sums dot4_wide(struct wide_sums s, struct wide_codes w, const void *activations) {
    int16x8_t x = vreinterpretq_s16_s64(vdupq_n_s64(eight_bytes(activations)));
    WHOLE(x);
    UNROLLED for (int i = 0; i < 4; i++) {
        const int16x8_t a = w.a[i], b = w.b[i];
        s.q[4 * i] = vmlal_s16(s.q[4 * i], vget_low_s16(a), vget_low_s16(x));
        s.q[4 * i + 1] = vmlal_high_s16(s.q[4 * i + 1], a, x);
        s.q[4 * i + 2] = vmlal_s16(s.q[4 * i + 2], vget_low_s16(b), vget_low_s16(x));
        s.q[4 * i + 3] = vmlal_high_s16(s.q[4 * i + 3], b, x);
    }
    return s;
}

INLINE struct wide rows_of_wide(struct wide_sums s) {
    int64x2_t rows[8];
    UNROLLED for (int i = 0; i < 8; i++) rows[i] = vpaddq_s64(vpaddlq_s32(s.q[2 * i]), vpaddlq_s32(s.q[2 * i + 1]));
    struct wide w;
    __builtin_memcpy(&w, rows, 128);
    return w;
}

#else

/* Columns 0 and 2 of 4 rows, then 1 and 3. */
struct wide_codes {
    int16x8_t a[4], b[4];
};

INLINE struct wide_codes widened(const void *line) {
    const int8_t *p = line;
    struct wide_codes w;
    UNROLLED for (int i = 0; i < 4; i++) {
        const int16x8_t c = vreinterpretq_s16_s8(vld1q_s8(p + 16 * i));
        w.a[i] = vshrq_n_s16(vshlq_n_s16(c, 8), 8);
        w.b[i] = vshrq_n_s16(c, 8);
    }
    return w;
}

/* Each row's sum in two elements, which 16 registers have room for. */
struct wide_sums {
    int32x4_t q[8];
};

INLINE struct wide_sums no_wide_sums(void) {
    struct wide_sums s;
    UNROLLED for (int i = 0; i < 8; i++) s.q[i] = vdupq_n_s32(0);
    return s;
}

INLINE struct wide_sums dot4_wide(struct wide_sums s, struct wide_codes w, const void *activations) {
    const int16x4_t four = vreinterpret_s16_s64(vdup_n_s64(eight_bytes(activations)));
    const int16x4x2_t x = vuzp_s16(four, four);
    UNROLLED for (int i = 0; i < 4; i++) {
        const int16x8_t a = w.a[i], b = w.b[i];
        s.q[2 * i] = vmlal_s16(vmlal_s16(s.q[2 * i], vget_low_s16(a), x.val[0]), vget_low_s16(b), x.val[1]);
        s.q[2 * i + 1] = vmlal_s16(vmlal_s16(s.q[2 * i + 1], vget_high_s16(a), x.val[0]), vget_high_s16(b), x.val[1]);
    }
    return s;
}

INLINE struct wide rows_of_wide(struct wide_sums s) {
    int64x2_t rows[8];
    UNROLLED for (int i = 0; i < 8; i++) rows[i] = vpaddlq_s32(s.q[i]);
    struct wide w;
    __builtin_memcpy(&w, rows, 128);
    return w;
}

#endif
#endif

/* MARK: Pairs of 16 bits */

#define PAIR_STEP 2
#define PAIRS_AT_ONCE SIZE_MAX

/* Each row's sum in 64 bits. */
struct pair_sums {
    int64x2_t q[8];
};

INLINE struct pair_sums no_pair_sums(void) {
    struct pair_sums s;
    UNROLLED for (int i = 0; i < 8; i++) s.q[i] = vdupq_n_s64(0);
    return s;
}

/* Two products are at most 2 * 32,768 * 32,767 and fit in 32 bits. */
INLINE struct pair_sums add_pairs(struct pair_sums s, const void *line, size_t next, const void *x, const int lines) {
    const int16_t *a = line, *b = (const int16_t *)((const char *)line + next);
    const char *p = x;
    int16x8_t xa = vreinterpretq_s16_s32(vdupq_n_s32(four_bytes(p))), xb = xa;
    WHOLE(xa);
    if (lines > 1) {
        xb = vreinterpretq_s16_s32(vdupq_n_s32(four_bytes(p + 4)));
        WHOLE(xb);
    }
    UNROLLED for (int i = 0; i < 4; i++) {
        const int16x8_t wa = vld1q_s16(a + 8 * i);
        int32x4_t low = vmull_s16(vget_low_s16(wa), vget_low_s16(xa)), high = MULTIPLY_HIGH(s16, wa, xa);
        if (lines > 1) {
            const int16x8_t wb = vld1q_s16(b + 8 * i);
            low = vmlal_s16(low, vget_low_s16(wb), vget_low_s16(xb));
            high = ADD_PRODUCTS_HIGH(s16, high, wb, xb);
        }
        s.q[2 * i] = vpadalq_s32(s.q[2 * i], low);
        s.q[2 * i + 1] = vpadalq_s32(s.q[2 * i + 1], high);
    }
    return s;
}

INLINE struct pair_sums both(struct pair_sums a, struct pair_sums b) {
    UNROLLED for (int i = 0; i < 8; i++) a.q[i] = vaddq_s64(a.q[i], b.q[i]);
    return a;
}

INLINE struct wide rows_of_pairs(struct pair_sums s) {
    struct wide w;
    __builtin_memcpy(&w, &s, 128);
    return w;
}

INLINE int can_round_pairs(int shift) { return (void)shift, 1; }
INLINE i32x16 rounded_pairs(struct pair_sums s, int shift) { return narrow_low(round_shift_low(rows_of_pairs(s), shift)); }

/* Weights of attention: 2 * 15 bits. */
#define PARTS 2
#define PART_BITS 15
typedef struct pair_sums part_sums;
typedef int64_t part;

INLINE part_sums no_part_sums(void) { return no_pair_sums(); }
INLINE part_sums add_parts(part_sums s, const void *line, size_t next, const int32_t *x, const int lines) {
    return add_pairs(s, line, next, x, lines);
}
INLINE void store_parts(part *p, part_sums s) { __builtin_memcpy(p, &s, 128); }

/* Groups of elements whose sums over values of 8 bits are made at once, and parts of a weight where they are of 15 bits. */
#define VALUE_GROUPS 1
#define WEIGHT_PARTS 1

#include "groups_neon.h"
