/* Linear layers: section 4. A set's file includes this after its dots_*.h, which gives
     VECTORS, BLOCKS       vectors and blocks of a tile: their accumulators fill the registers
     STEP                  lines whose activations are loaded at once; the last lines come one by one
     UNIT                  lines of codes that dot4 takes at once: of a step those from its k-th on
     LINES                 steps at once for one vector: as many independent sums
     struct codes, struct activations, dot_sums, dot4, struct pair_sums, add_pairs and what they say there. */
#include "kernels.h"
#include "vectors.h"

/* Half of a small second-level cache. */
#define CACHED_BYTES 262144

INLINE const char *line_of(const struct stlm_linear_call *c, size_t block, size_t line) {
    return (const char *)c->codes + (block * c->line_count + line) * 64;
}

INLINE const char *vector_of(const struct stlm_linear_call *c, size_t vector) {
    return (const char *)c->activations + vector * c->activation_stride;
}

/* MARK: Sums to results */

/* u and d of 16 rows. */
struct row_scales {
    i32x16 mantissas, down_shifts;
    struct wide wide_shifts;
};

INLINE struct row_scales row_scales_of(const struct stlm_linear_call *c, size_t block) {
    u16x16 packed;
    __builtin_memcpy(&packed, c->row_scales + 16 * block, 32);
    const i32x16 q = __builtin_convertvector(packed, i32x16);
    return (struct row_scales){(q & 2047) + 2048, q >> 11, widen(q >> 11)};
}

#if !defined(__ARM_NEON)
/* Any shift. One beyond 63 is one by 63: both give 0 for a product below 2^62. */
static __attribute__((noinline)) void shift_any(struct wide *products, const i32x16 *shifts) {
    const i32x16 right = __builtin_elementwise_max(__builtin_elementwise_min(*shifts, splat(63)), splat(0));
    const i32x16 left = __builtin_elementwise_max(__builtin_elementwise_min(-*shifts, splat(31)), splat(0));
    *products = shift_left_each(round_shifts(*products, right), left);
}
#endif

/* Products of sums and multipliers to results. */
INLINE void write(const struct stlm_linear_call *c, size_t block, size_t vector, struct row_scales scales, struct wide products) {
#if defined(__ARM_NEON)
    i32x16 value = scale_each(products, c->shifts[vector], scales.down_shifts);
#else
    const int32_t shift = c->shifts[vector];
    i32x16 value;
    if (shift >= c->sum_bits - c->pre_shift - 2 && shift <= 32) {
        /* A product is below 2^(A + 28.1) - u below 2^12, m below 2^16.1 -, so that the result is below 2^31. */
        value = narrow_low(round_wide_shifts_less_1(products, add_each(scales.wide_shifts, shift - 1)));
    } else {
        const i32x16 shifts = scales.down_shifts + shift;
        shift_any(&products, &shifts);
        value = saturate(products);
    }
#endif
    const size_t row = 16 * block, left = c->row_count - row;
    int32_t *y = c->results + vector * c->result_stride + row;
    if (c->bias) value = add_saturating(value, scale_narrow(load_some(c->bias + row, left), c->bias_shifts[vector]));
    if (c->accumulates) value = add_saturating(load_some(y, left), value);
    store_some(y, value, left);
}

/* x * m for x of up to 48 bits and a product below 2^62. */
INLINE struct wide multiply_long(struct wide x, i32x16 m) {
    const struct wide high = {x.a >> 16, x.b >> 16}, rest = {x.a & 0xFFFF, x.b & 0xFFFF}, w = widen(m);
    return add(shift_left(multiply_low(high, w), 16), multiply_low(rest, w));
}

/* Results of one block for some vectors, whose sums lie `stride` apart. One copy for all tiles: inlined, it would fill most of a set. */
static __attribute__((noinline)) void finish(
    const struct stlm_linear_call *c, size_t block, size_t vector, const i32x16 *sums, int stride, int vectors) {
    const struct row_scales scales = row_scales_of(c, block);
    _Pragma("clang loop unroll(disable)") for (int v = 0; v < vectors; v++) {
        const i32x16 multipliers = scales.mantissas * c->scales[2 * (vector + v)]; /* u * m, below 2^29 */
        write(c, block, vector + v, scales, multiply(sums[v * stride], multipliers));
    }
}

static __attribute__((noinline)) void finish_long(
    const struct stlm_linear_call *c, size_t block, size_t vector, const struct wide *sums, int vectors) {
    const struct row_scales scales = row_scales_of(c, block);
    _Pragma("clang loop unroll(disable)") for (int v = 0; v < vectors; v++) {
        const i32x16 multipliers = scales.mantissas * c->scales[2 * (vector + v)];
        write(c, block, vector + v, scales, multiply_long(round_shift(sums[v], c->pre_shift), multipliers));
    }
}

/* What the sums of some vectors begin with. */
static __attribute__((noinline)) void find_first_sums(const struct stlm_linear_call *c, size_t vector, int32_t *first, int vectors) {
    for (int v = 0; v < vectors; v++) first[v] = first_sum(vector_of(c, vector + v), c->line_count);
}

/* MARK: int8 x int8 */

/* Blocks block ..< block + blocks for vectors vector ..< vector + vectors, both constants. What lies `ahead` bytes behind their codes is
   fetched into the cache. */
INLINE void tile_int8(
    const struct stlm_linear_call *c, size_t block, const int blocks, size_t vector, const int vectors, const int32_t *first, size_t ahead) {
    dot_sums sums[8 * 2];
    const char *x[8];
    UNROLLED for (int v = 0; v < vectors; v++) {
        x[v] = vector_of(c, vector + v);
        UNROLLED for (int b = 0; b < blocks; b++) sums[v * blocks + b] = sums_from(first[v]);
    }
    size_t line = 0;
    for (; line + STEP <= c->line_count; line += STEP) {
        struct activations four[8];
        UNROLLED for (int v = 0; v < vectors; v++) four[v] = activations_of(x[v] + 4 * line, STEP);
        UNROLLED for (int k = 0; k < STEP; k += UNIT) {
            struct codes w[2];
            UNROLLED for (int b = 0; b < blocks; b++) {
                const char *codes = line_of(c, block + b, line + k);
                w[b] = prepare(codes, UNIT);
                UNROLLED for (int i = 0; i < UNIT; i++) __builtin_prefetch(codes + 64 * i + ahead, 0, 2);
            }
            UNROLLED for (int v = 0; v < vectors; v++) {
                UNROLLED for (int b = 0; b < blocks; b++) sums[v * blocks + b] = dot4(sums[v * blocks + b], w[b], four[v], k);
            }
        }
    }
    for (; STEP > 1 && line < c->line_count; line++) {
        UNROLLED for (int b = 0; b < blocks; b++) {
            const struct codes w = prepare(line_of(c, block + b, line), 1);
            UNROLLED for (int v = 0; v < vectors; v++)
                sums[v * blocks + b] = dot4(sums[v * blocks + b], w, activations_of(x[v] + 4 * line, 1), 0);
        }
    }
    i32x16 rows[8 * 2];
    UNROLLED for (int i = 0; i < vectors * blocks; i++) rows[i] = rows_of(sums[i]);
    for (int b = 0; b < blocks; b++) finish(c, block + b, vector, rows + b, blocks, vectors);
}

/* One block for one vector: the loop that reads every weight once a token. */
INLINE void row_int8(const struct stlm_linear_call *c, size_t block, size_t vector, int32_t first) {
    dot_sums sums[LINES];
    UNROLLED for (int i = 0; i < LINES; i++) sums[i] = sums_from(i ? 0 : first);
    const char *w = line_of(c, block, 0), *x = vector_of(c, vector);
    size_t line = 0;
    for (; line + LINES * STEP <= c->line_count; line += LINES * STEP, w += 64 * LINES * STEP, x += 4 * LINES * STEP) {
        UNROLLED for (int i = 0; i < LINES; i++) {
            const struct activations four = activations_of(x + 4 * STEP * i, STEP);
            UNROLLED for (int k = 0; k < STEP; k += UNIT) sums[i] = dot4(sums[i], prepare(w + 64 * (STEP * i + k), UNIT), four, k);
        }
    }
    for (; line < c->line_count; line++, w += 64, x += 4) sums[0] = dot4(sums[0], prepare(w, 1), activations_of(x, 1), 0);
    i32x16 rows = rows_of(sums[0]);
    UNROLLED for (int i = 1; i < LINES; i++) rows += rows_of(sums[i]);
    finish(c, block, vector, &rows, 1, 1);
}

static void linear_int8(const struct stlm_linear_call *call, size_t first_block, size_t end) {
    const struct stlm_linear_call c = *call;
    if (c.vector_count == 1) {
        int32_t first;
        find_first_sums(&c, 0, &first, 1);
        for (size_t block = first_block; block < end; block++) row_int8(&c, block, 0, first);
        return;
    }
    /* As many blocks at a time as a small cache holds, so that they are read from afar once for all vectors. */
    const size_t some = CACHED_BYTES / (c.line_count * 64), blocks = some < BLOCKS ? BLOCKS : some / BLOCKS * BLOCKS;
    const size_t ahead = blocks * c.line_count * 64; /* the next ones, while these are at work */
    for (size_t start = first_block; start < end; start += blocks) {
        const size_t stop = end - start < blocks ? end : start + blocks;
        size_t vector = 0;
        while (vector < c.vector_count) {
            int32_t first[VECTORS];
            size_t block = start;
            if (vector + VECTORS <= c.vector_count) {
                find_first_sums(&c, vector, first, VECTORS);
                for (; block + BLOCKS <= stop; block += BLOCKS) tile_int8(&c, block, BLOCKS, vector, VECTORS, first, ahead);
                if (BLOCKS > 1 && block < stop) tile_int8(&c, block, 1, vector, VECTORS, first, ahead);
                vector += VECTORS;
            } else if (VECTORS > 4 && vector + 4 <= c.vector_count) {
                find_first_sums(&c, vector, first, 4);
                for (; block < stop; block++) tile_int8(&c, block, 1, vector, 4, first, ahead);
                vector += 4;
            } else {
                find_first_sums(&c, vector, first, 1);
                for (; block < stop; block++) row_int8(&c, block, vector, first[0]);
                vector++;
            }
        }
    }
}

/* MARK: int8 x int16 */

#if SPLITS_ACTIVATIONS

/* c = 256 * (c >> 8) + (c & 255): two sums in 32 bits, exact for any width of the format. */
INLINE void tile_int8_int16(
    const struct stlm_linear_call *c, size_t block, size_t vector, const int vectors, const int32_t *first) {
    dot_sums high[8], rest[8];
    const char *x[8];
    const size_t plane = c->plane_stride;
    UNROLLED for (int v = 0; v < vectors; v++) {
        x[v] = vector_of(c, vector + v);
        high[v] = sums_from(first[v]);
        rest[v] = sums_from(0);
    }
    struct row_sums all = no_row_sums();
    const char *w = line_of(c, block, 0);
    size_t line = 0;
    for (; line + STEP <= c->line_count; line += STEP, w += 64 * STEP) {
        struct activations upper[8], lower[8];
        UNROLLED for (int v = 0; v < vectors; v++) {
            upper[v] = activations_of(x[v] + 4 * line, STEP);
            lower[v] = unsigned_activations_of(x[v] + plane + 4 * line, STEP);
        }
        UNROLLED for (int k = 0; k < STEP; k += UNIT) {
            const struct codes codes = prepare(w + 64 * k, UNIT);
            all = add_row_sums(all, codes);
            UNROLLED for (int v = 0; v < vectors; v++) {
                high[v] = dot4(high[v], codes, upper[v], k);
                rest[v] = dot4_unsigned(rest[v], codes, lower[v], k);
            }
        }
    }
    for (; STEP > 1 && line < c->line_count; line++, w += 64) {
        const struct codes codes = prepare(w, 1);
        all = add_row_sums(all, codes);
        UNROLLED for (int v = 0; v < vectors; v++) {
            high[v] = dot4(high[v], codes, activations_of(x[v] + 4 * line, 1), 0);
            rest[v] = dot4_unsigned(rest[v], codes, unsigned_activations_of(x[v] + plane + 4 * line, 1), 0);
        }
    }
    i32x16 upper_rows[8], lower_rows[8];
    UNROLLED for (int v = 0; v < vectors; v++) {
        upper_rows[v] = rows_of(high[v]);
        lower_rows[v] = with_row_sums(rows_of(rest[v]), all);
    }
    if (c->sum_bits <= 31) {
        UNROLLED for (int v = 0; v < vectors; v++) upper_rows[v] = (i32x16)((u32x16)upper_rows[v] << 8) + lower_rows[v];
        finish(c, block, vector, upper_rows, 1, vectors);
    } else {
        struct wide sums[8];
        UNROLLED for (int v = 0; v < vectors; v++) sums[v] = add(shift_left(widen(upper_rows[v]), 8), widen(lower_rows[v]));
        finish_long(c, block, vector, sums, vectors);
    }
}

#else

/* Lines between two widenings: a pair of products is at most 2 * 128 * 32,767 < 2^23, so that 255 of them fit in 32 bits. */
#define LINES_IN_32_BITS 248

INLINE void tile_int8_int16(
    const struct stlm_linear_call *c, size_t block, size_t vector, const int vectors, const int32_t *first) {
    (void)first;
    struct wide total[8];
    UNROLLED for (int v = 0; v < vectors; v++) total[v] = (struct wide){{0}, {0}};
    size_t line = 0;
    while (line < c->line_count) {
        const size_t end = c->line_count - line < LINES_IN_32_BITS ? c->line_count : line + LINES_IN_32_BITS;
        struct wide_sums sums[8];
        UNROLLED for (int v = 0; v < vectors; v++) sums[v] = no_wide_sums();
        /* Two lines at a time: cores without reordering would wait for the widened codes. */
        _Pragma("clang loop unroll_count(2)") for (; line < end; line++) {
            const struct wide_codes w = widened(line_of(c, block, line));
            UNROLLED for (int v = 0; v < vectors; v++) sums[v] = dot4_wide(sums[v], w, vector_of(c, vector + v) + 8 * line);
        }
        UNROLLED for (int v = 0; v < vectors; v++) total[v] = add(total[v], rows_of_wide(sums[v]));
    }
    finish_long(c, block, vector, total, vectors);
}

#endif

static void linear_int8_int16(const struct stlm_linear_call *call, size_t first_block, size_t end) {
    const struct stlm_linear_call c = *call;
    int32_t first[8] = {0};
    size_t vector = 0;
    for (; WIDE_VECTORS > 1 && vector + WIDE_VECTORS <= c.vector_count; vector += WIDE_VECTORS) {
        if (SPLITS_ACTIVATIONS) find_first_sums(&c, vector, first, WIDE_VECTORS);
        for (size_t block = first_block; block < end; block++) tile_int8_int16(&c, block, vector, WIDE_VECTORS, first);
    }
    if (WIDE_VECTORS > 4 && vector + 4 <= c.vector_count) {
        if (SPLITS_ACTIVATIONS) find_first_sums(&c, vector, first, 4);
        for (size_t block = first_block; block < end; block++) tile_int8_int16(&c, block, vector, 4, first);
        vector += 4;
    }
    for (; vector < c.vector_count; vector += 8) {
        const int left = c.vector_count - vector < 8 ? (int)(c.vector_count - vector) : 8;
        if (SPLITS_ACTIVATIONS) find_first_sums(&c, vector, first, left);
        for (size_t block = first_block; block < end; block++) {
            for (int v = 0; v < left; v++) tile_int8_int16(&c, block, vector + v, 1, first + v);
        }
    }
}

/* MARK: int16 x int16 */

static void linear_int16(const struct stlm_linear_call *call, size_t first, size_t end) {
    const struct stlm_linear_call c = *call;
    for (size_t block = first; block < end; block++) {
        for (size_t vector = 0; vector < c.vector_count; vector++) {
            const char *w = line_of(&c, block, 0), *x = vector_of(&c, vector);
            struct wide total = {{0}, {0}};
            size_t line = 0;
            while (line < c.line_count) {
                const size_t stop = c.line_count - line < PAIRS_AT_ONCE ? c.line_count : line + PAIRS_AT_ONCE;
                struct pair_sums sums = no_pair_sums();
                const size_t whole = stop - (stop - line) % PAIR_STEP;
                for (; line < whole; line += PAIR_STEP)
                    sums = add_pairs(sums, w + 64 * line, 64, x + 4 * line, PAIR_STEP);
                if (PAIR_STEP > 1 && line < stop) {
                    sums = add_pairs(sums, w + 64 * line, 64, x + 4 * line, 1);
                    line++;
                }
                total = add(total, rows_of_pairs(sums));
            }
            finish_long(&c, block, vector, &total, 1);
        }
    }
}
