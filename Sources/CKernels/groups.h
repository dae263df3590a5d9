/* Linear layers of groups and of ternary codes: section 4. A set's file includes this after linear.h; its dots_*.h gives
     BIAS                  what unsigned levels exceed their values by, where dot products want one factor unsigned; else 0
     GROUP_TILE            vectors of a tile
     GROUP_BLOCKS          blocks of a tile, a divisor of CHUNK_BLOCKS
     lookup                bytes of a table of 16, by indices below 16
     add_group             adds sums of 16 columns times their scales, of some vectors;
     with BIAS SCALES_IN_PAIRS, dot_levels, add_scaled and sum_of_groups in its place. */

/* Columns whose levels are in memory at once, for many vectors: of 16 rows 5 KB. A multiple of 32, and of 20. */
#define CHUNK 320
/* Blocks and vectors whose sums are. */
#define CHUNK_BLOCKS 4
#define CHUNK_VECTORS 64

/* Bits of a group's code in its planes. */
#define FIRST_BITS(bits) ((bits) >= 4 ? 4 : 2)
#define SECOND_BITS(bits) ((bits) == 3 || (bits) == 5 ? 1 : (bits) == 6 ? 2 : 0)

/* Codes of 6 bits are levels themselves where these may be unsigned. */
INLINE int bias_of(const int bits) { return BIAS && bits == 6 ? 32 : BIAS; }

/* What codes stand for: levels plus a bias, in one or two tables of 16. */
struct tables {
    u8x16 low, high;
};

static __attribute__((noinline)) struct tables tables_of(const struct stlm_linear_call *c, int bits, int bias) {
    uint8_t all[32] = {0};
    for (int k = 0; bits < 6 && k < 1 << bits; k++) all[k] = (uint8_t)(c->levels[k] + bias);
    struct tables t;
    __builtin_memcpy(&t, all, 32);
    return t;
}

/* Part i of a plane of so many bits: 4 columns of 16 rows. */
INLINE u8x64 field(const u8x64 *lines, const int bits, const int i) {
    const int each = 8 / bits, shift = i % each * bits;
    return (lines[i / each] >> shift) & (uint8_t)((1 << bits) - 1);
}

/* Levels of columns 4 i ... 4 i + 3 of 32, in the order of a line of int8 codes. */
INLINE u8x64 levels_of(const u8x64 *first, const u8x64 *second, const int bits, const int bias, const int i, const struct tables t) {
    const u8x64 code = field(first, FIRST_BITS(bits), i);
    if (bits == 3) return lookup(t.low, code | field(second, 1, i) << 2);
    if (bits == 5) {
        const u8x64 is_high = (u8x64)((second[0] & (uint8_t)(1 << i)) != 0);
        return (lookup(t.low, code) & ~is_high) | (lookup(t.high, code) & is_high);
    }
    if (bits == 6) return (code | field(second, 2, i) << 4) - (uint8_t)(32 - bias);
    return lookup(t.low, code);
}

/* A block's planes, and the scales of its groups. */
struct planes {
    const char *first, *second, *scales;
    size_t first_lines, second_lines;
};

INLINE struct planes planes_of(const struct stlm_linear_call *c, size_t block, const int bits) {
    const size_t lines = (c->column_count * FIRST_BITS(bits) + 31) / 32;
    const char *first = line_of(c, block, 0);
    return (struct planes){
        first, first + 64 * lines, (const char *)c->group_scales + block * ((c->column_count + 31) / 32) * 16, lines, c->line_count - lines};
}

/* Lines of both planes for fewer than 32 columns, the last; those that the planes lack are 0. */
static __attribute__((noinline)) void copy_last(u8x64 *to, const struct planes *p, size_t pair, size_t first_bits, size_t second_bits) {
    __builtin_memset(to, 0, 6 * 64);
    __builtin_memcpy(to, p->first + 64 * pair * first_bits, 64 * (p->first_lines - pair * first_bits));
    if (second_bits) __builtin_memcpy(to + 4, p->second + 64 * pair * second_bits, 64 * (p->second_lines - pair * second_bits));
}

/* Levels of 32 columns, of which the first `whole` times 32 have all their lines. */
INLINE void levels_of_32(
    const struct planes *p, size_t pair, size_t whole, const int bits, const int bias, const struct tables t, u8x64 *levels) {
    const char *first = p->first + 64 * pair * FIRST_BITS(bits), *second = p->second + 64 * pair * SECOND_BITS(bits);
    u8x64 a[4], b[2], last[6];
    if (__builtin_expect(pair >= whole, 0)) {
        copy_last(last, p, pair, FIRST_BITS(bits), SECOND_BITS(bits));
        first = (const char *)last;
        second = (const char *)(last + 4);
    }
    __builtin_memcpy(a, first, 64 * FIRST_BITS(bits));
    __builtin_memcpy(b, second, 64 * SECOND_BITS(bits));
    UNROLLED for (int i = 0; i < 8; i++) levels[i] = levels_of(a, b, bits, bias, i, t);
}

/* Scales of two groups, and what takes the excess of the levels from a sum: -bias times both, in 16 bits. */
struct group_scales {
    i32x16 even, odd, excess;
};

INLINE struct group_scales group_scales_of(const void *scales, const int bias) {
    u8x16 packed;
    __builtin_memcpy(&packed, scales, 16);
    const i32x16 s = __builtin_convertvector(packed, i32x16), even = s & 15, odd = s >> 4;
#if BIAS
    const i32x16 excess = (i32x16)((i16x32)(even | odd << 16) * (int16_t)-bias);
#if SCALES_IN_PAIRS
    return (struct group_scales){even | even << 16, odd | odd << 16, excess};
#else
    return (struct group_scales){even, odd, excess};
#endif
#else
    return (void)bias, (struct group_scales){even, odd, splat(0)};
#endif
}

/* Sums of 16 activations of a vector, two in each: only for levels that exceed their values. */
INLINE void sum_activations(const char *x, size_t pairs, int32_t *sums) {
#if BIAS
    for (size_t p = 0; p < pairs; p++) sums[p] = sum_of_groups(x + 32 * p);
#else
    (void)x, (void)pairs, (void)sums;
#endif
}

#if BIAS
/* Adds the sums of 16 columns times their scales, of some vectors and blocks: line by line, as long chains of sums would wait. */
INLINE void add_group(
    i32x16 *totals, const u8x64 *const *levels, const char *x, size_t stride, const int vectors, const int blocks, const i32x16 *scales,
    const int has_unsigned_levels) {
    i32x16 sums[8];
    UNROLLED for (int i = 0; i < vectors * blocks; i++) sums[i] = splat(0);
    UNROLLED for (int i = 0; i < 4; i++) {
        UNROLLED for (int v = 0; v < vectors; v++) {
            UNROLLED for (int b = 0; b < blocks; b++) {
                i32x16 *sum = sums + v * blocks + b;
                *sum = dot_levels(*sum, levels[b][i], x + (size_t)v * stride + 4 * i, scales[b], has_unsigned_levels);
            }
        }
    }
    UNROLLED for (int v = 0; v < vectors; v++) {
        UNROLLED for (int b = 0; b < blocks; b++)
            totals[v * blocks + b] = add_scaled(totals[v * blocks + b], sums[v * blocks + b], scales[b]);
    }
}
#endif

/* Adds two groups. */
INLINE i32x16 add_groups(i32x16 total, const u8x64 *levels, const char *x, struct group_scales s, const int32_t *sum) {
#if BIAS
    total = dot2(total, (i16x32)s.excess, (i16x32)splat(*sum));
#else
    (void)sum;
#endif
    const u8x64 *even = levels, *odd = levels + 4;
    add_group(&total, &even, x, 0, 1, 1, &s.even, 1);
    add_group(&total, &odd, x + 16, 0, 1, 1, &s.odd, 1);
    return total;
}

/* MARK: One vector of int8 activations */

/* The loop that reads every weight once a token. */
INLINE void rows_of_groups(const struct stlm_linear_call *c, size_t block, size_t end, const int bits) {
    int32_t sums[8192 / 32];
    const char *x = vector_of(c, 0);
    const size_t whole = c->column_count / 32, pairs = (c->column_count + 31) / 32;
    const int bias = bias_of(bits);
    const struct tables t = tables_of(c, bits, bias);
    sum_activations(x, pairs, sums);
    for (; block < end; block++) {
        const struct planes p = planes_of(c, block, bits);
        i32x16 total = splat(0);
        u8x64 levels[8];
        /* Two planes and scales are too many short streams for a CPU to foresee: the next block is fetched while this one is at work. */
        const size_t step = 64 * (FIRST_BITS(bits) + SECOND_BITS(bits));
        const char *next = p.first + 64 * c->line_count;
        for (size_t pair = 0; pair < pairs; pair++, next += step) {
            UNROLLED for (size_t i = 0; i < step; i += 64) __builtin_prefetch(next + i, 0, 2);
            levels_of_32(&p, pair, whole, bits, bias, t, levels);
            total = add_groups(total, levels, x + 32 * pair, group_scales_of(p.scales + 16 * pair, bias), sums + pair);
        }
        finish(c, block, 0, &total, 1, 1);
    }
}

/* The next digit of four or five less 1: 4 columns of 16 rows. */
INLINE u8x64 next_digit(u8x64 *v, const int each) {
    const u8x64 u = *v;
    if (each == 4) {
        *v = u >> 2;
        return __builtin_elementwise_min(u & 3, (u8x64){0} + 2) - 1;
    }
    /* (3 u) >> 8 is by how many thirds of 256 u lies above the first; then 3 u. */
    *v = u + u + u;
    return -((u8x64)(u > 85) + (u8x64)(u > 170)) - 1;
}

INLINE void rows_of_ternary(const struct stlm_linear_call *c, size_t block, size_t end, const int each) {
    const size_t step = 4 * (size_t)each, whole = c->column_count / step;
    const int32_t first = first_sum(vector_of(c, 0), (c->column_count + 3) / 4);
    for (; block < end; block++) {
        const char *w = line_of(c, block, 0), *x = vector_of(c, 0);
        dot_sums sums[5];
        UNROLLED for (int k = 0; k < each; k++) sums[k] = sums_from(k ? 0 : first);
        u8x64 v, levels;
        for (size_t line = 0; line < whole; line++, w += 64, x += step) {
            __builtin_memcpy(&v, w, 64);
            UNROLLED for (int k = 0; k < each; k++) {
                levels = next_digit(&v, each);
                sums[k] = dot4(sums[k], prepare(&levels, 1), activations_of(x + 4 * k, 1), 0);
            }
        }
        if (whole < c->line_count) __builtin_memcpy(&v, w, 64);
        for (size_t column = whole * step; column < c->column_count; column += 4, x += 4) {
            levels = next_digit(&v, each);
            sums[0] = dot4(sums[0], prepare(&levels, 1), activations_of(x, 1), 0);
        }
        i32x16 rows = rows_of(sums[0]);
        UNROLLED for (int k = 1; k < each; k++) rows += rows_of(sums[k]);
        finish(c, block, 0, &rows, 1, 1);
    }
}

/* MARK: Levels in memory */

/* Levels, which are signed, and scales of CHUNK columns of a block. */
struct chunk {
    u8x64 levels[CHUNK / 4];
    struct group_scales scales[CHUNK / 32];
};

INLINE void decode_groups(const struct stlm_linear_call *c, size_t block, size_t pair, size_t end, const int bits, struct chunk *to) {
    const struct planes p = planes_of(c, block, bits);
    const struct tables t = tables_of(c, bits, 0);
    const size_t whole = c->column_count / 32;
    for (size_t i = pair; i < end; i++) to->scales[i - pair] = group_scales_of(p.scales + 16 * i, 0);
    u8x64 *levels = to->levels;
    for (; pair < end; pair++, levels += 8) levels_of_32(&p, pair, whole, bits, 0, t, levels);
}

/* Ternary codes, four or five times 4 columns in a line. The scales are 1. */
INLINE void decode_ternary(const struct stlm_linear_call *c, size_t block, size_t pair, size_t end, const int each, struct chunk *to) {
    const u8x16 ones = (u8x16){0} + 0x11;
    for (size_t i = pair; i < end; i++) to->scales[i - pair] = group_scales_of(&ones, 0);
    u8x64 *levels = to->levels;
    size_t line = 32 * pair / (4 * (size_t)each);
    for (; line < c->line_count && levels < to->levels + 8 * (end - pair); line++, levels += each) {
        u8x64 v;
        __builtin_memcpy(&v, line_of(c, block, line), 64);
        UNROLLED for (int k = 0; k < each; k++) levels[k] = next_digit(&v, each);
    }
    for (; levels < to->levels + 8 * (end - pair); levels++) *levels = (u8x64){0};
}

static __attribute__((noinline)) void decode(
    const struct stlm_linear_call *c, size_t block, size_t pair, size_t end, int bits, struct chunk *to) {
    switch (bits) {
    case 2: decode_groups(c, block, pair, end, 2, to); break;
    case 3: decode_groups(c, block, pair, end, 3, to); break;
    case 4: decode_groups(c, block, pair, end, 4, to); break;
    case 5: decode_groups(c, block, pair, end, 5, to); break;
    case 6: decode_groups(c, block, pair, end, 6, to); break;
    case STLM_CODES_TERNARY_4: decode_ternary(c, block, pair, end, 4, to); break;
    default: decode_ternary(c, block, pair, end, 5, to);
    }
}

/* MARK: Many vectors of int8 activations */

/* Vectors and GROUP_BLOCKS blocks, whose sums lie one block's after the other's. */
INLINE void tile_groups(
    const struct chunk *chunks, size_t pairs, const char *x, size_t stride, const int vectors,
    i32x16 (*totals)[CHUNK_VECTORS + 1], size_t first) {
    i32x16 total[8];
    UNROLLED for (int v = 0; v < vectors; v++) {
        UNROLLED for (int b = 0; b < GROUP_BLOCKS; b++) total[v * GROUP_BLOCKS + b] = totals[b][first + (size_t)v];
    }
    for (size_t p = 0; p < pairs; p++) {
        const u8x64 *even[GROUP_BLOCKS], *odd[GROUP_BLOCKS];
        i32x16 even_scales[GROUP_BLOCKS], odd_scales[GROUP_BLOCKS];
        UNROLLED for (int b = 0; b < GROUP_BLOCKS; b++) {
            even[b] = chunks[b].levels + 8 * p;
            odd[b] = even[b] + 4;
            even_scales[b] = chunks[b].scales[p].even;
            odd_scales[b] = chunks[b].scales[p].odd;
        }
        add_group(total, even, x + 32 * p, stride, vectors, GROUP_BLOCKS, even_scales, 0);
        add_group(total, odd, x + 32 * p + 16, stride, vectors, GROUP_BLOCKS, odd_scales, 0);
    }
    UNROLLED for (int v = 0; v < vectors; v++) {
        UNROLLED for (int b = 0; b < GROUP_BLOCKS; b++) totals[b][first + (size_t)v] = total[v * GROUP_BLOCKS + b];
    }
}

/* Where dot products want unsigned activations, these are 128 more, and what comes of the 128 is one more vector's sum for all. */
static __attribute__((noinline)) void chunks_int8(const struct stlm_linear_call *c, size_t block, size_t blocks, size_t vector, int bits) {
    const size_t left = c->vector_count - vector, vectors = left < CHUNK_VECTORS ? left : CHUNK_VECTORS;
    const size_t all = vectors + (BIAS ? 1 : 0), pairs = (c->column_count + 31) / 32;
    i32x16 totals[CHUNK_BLOCKS][CHUNK_VECTORS + 1];
    struct chunk chunks[GROUP_BLOCKS];
#if BIAS
    u8x64 shifted[CHUNK_VECTORS + 1][CHUNK / 64];
    const size_t stride = CHUNK;
    __builtin_memset(shifted[vectors], 128, CHUNK);
#else
    const size_t stride = c->activation_stride;
#endif
    for (size_t b = 0; b < CHUNK_BLOCKS; b++) __builtin_memset(totals[b], 0, 64 * all);
    for (size_t pair = 0; pair < pairs; pair += CHUNK / 32) {
        const size_t end = pairs - pair < CHUNK / 32 ? pairs : pair + CHUNK / 32;
#if BIAS
        for (size_t v = 0; v < vectors; v++) {
            __builtin_memcpy(shifted[v], vector_of(c, vector + v) + 32 * pair, 32 * (end - pair));
            for (size_t i = 0; i < CHUNK / 64; i++) shifted[v][i] ^= 128;
        }
        const char *x = (const char *)shifted;
#else
        const char *x = vector_of(c, vector) + 32 * pair;
#endif
        for (size_t b = 0; b < blocks; b += GROUP_BLOCKS) {
            /* Where there is none left, the last stands for the next too. */
            for (size_t i = 0; i < GROUP_BLOCKS; i++) decode(c, block + (b + i < blocks ? b + i : b), pair, end, bits, chunks + i);
            size_t v = 0;
            for (; v + GROUP_TILE <= all; v += GROUP_TILE) tile_groups(chunks, end - pair, x + v * stride, stride, GROUP_TILE, totals + b, v);
            for (; v < all; v++) tile_groups(chunks, end - pair, x + v * stride, stride, 1, totals + b, v);
        }
    }
    for (size_t b = 0; b < blocks; b++) {
        for (size_t v = 0; BIAS && v < vectors; v++) totals[b][v] -= totals[b][vectors];
        finish(c, block + b, vector, totals[b], 1, (int)vectors);
    }
}

/* MARK: int16 activations */

/* Levels of 4 columns times their scales, as two lines of int16 codes. */
INLINE void widen_levels(u8x64 levels, i32x16 scales, i16x32 *lines) {
    const i32x16 four = (i32x16)levels;
    const i32x16 a = ((four << 24) >> 24 & 0xFFFF) | (four << 16) >> 24 << 16, b = ((four << 8) >> 24 & 0xFFFF) | four >> 24 << 16;
    const i16x32 s = (i16x32)(scales | scales << 16); /* also of those that are in pairs already */
    lines[0] = (i16x32)a * s;
    lines[1] = (i16x32)b * s;
}

/* Sums of a chunk fit in 32 bits: products with x >> 8 and x & 255 of weights of up to 960. */
static __attribute__((noinline)) void chunks_int16(const struct stlm_linear_call *c, size_t block, size_t vector, int bits) {
    struct wide totals[CHUNK_VECTORS];
    struct chunk chunk;
    i16x32 lines[CHUNK / 2];
    const size_t left = c->vector_count - vector, vectors = left < CHUNK_VECTORS ? left : CHUNK_VECTORS;
    const size_t pairs = (c->column_count + 31) / 32;
    __builtin_memset(totals, 0, sizeof totals);
    for (size_t pair = 0; pair < pairs; pair += CHUNK / 32) {
        const size_t end = pairs - pair < CHUNK / 32 ? pairs : pair + CHUNK / 32, count = 16 * (end - pair);
        decode(c, block, pair, end, bits, &chunk);
        for (size_t i = 0; i < count / 2; i++) {
            widen_levels(chunk.levels[i], i % 8 < 4 ? chunk.scales[i / 8].even : chunk.scales[i / 8].odd, lines + 2 * i);
        }
        for (size_t v = 0; v < vectors; v++) {
            const char *x = vector_of(c, vector + v) + 64 * pair;
            struct pair_sums sums = no_pair_sums();
            for (size_t i = 0; i < count; i += PAIR_STEP) sums = add_pairs(sums, lines + i, 64, x + 4 * i, PAIR_STEP);
            totals[v] = add(totals[v], rows_of_pairs(sums));
        }
    }
    finish_long(c, block, vector, totals, (int)vectors);
}

/* MARK: All */

static void linear_packed(const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end) {
    const struct stlm_linear_call c = *call;
    const int bits = (int)codes;
    if (activation_bits == 16) {
        for (size_t vector = 0; vector < c.vector_count; vector += CHUNK_VECTORS) {
            for (size_t block = first; block < end; block++) chunks_int16(&c, block, vector, bits);
        }
        return;
    }
    if (c.vector_count == 1) {
        switch (bits) {
        case 2: return rows_of_groups(&c, first, end, 2);
        case 3: return rows_of_groups(&c, first, end, 3);
        case 4: return rows_of_groups(&c, first, end, 4);
        case 5: return rows_of_groups(&c, first, end, 5);
        case 6: return rows_of_groups(&c, first, end, 6);
        case STLM_CODES_TERNARY_4: return rows_of_ternary(&c, first, end, 4);
        default: return rows_of_ternary(&c, first, end, 5);
        }
    }
    for (size_t vector = 0; vector < c.vector_count; vector += CHUNK_VECTORS) {
        for (size_t block = first; block < end; block += CHUNK_BLOCKS)
            chunks_int8(&c, block, end - block < CHUNK_BLOCKS ? end - block : CHUNK_BLOCKS, vector, bits);
    }
}
