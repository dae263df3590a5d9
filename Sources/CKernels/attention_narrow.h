/* Sums of attention over keys and values of 8 bits, and values of 4. Both lie in lines of 64 bytes like those of linear layers of int8 weights:
   of keys 16 positions by 4 elements, of values 16 elements by 4 positions, so that the dot products of linear.h serve. A line of nibbles is two
   of values. attention.h includes this. */

/* Positions that are mixed before sums are widened: with 128 a sum of products with bytes is at most 128 * 255 * 128 < 2^22. */
#define POSITIONS_AT_ONCE 128

/* sums[0 ... 15] += s */
INLINE void add_to_sums(int64_t *sums, struct wide s) {
#if defined(__x86_64__)
    const struct wide in_order = {
        __builtin_shufflevector(s.a, s.b, 0, 8, 1, 9, 2, 10, 3, 11), __builtin_shufflevector(s.a, s.b, 4, 12, 5, 13, 6, 14, 7, 15)};
#else
    const struct wide in_order = s;
#endif
    i64x8 a, b;
    __builtin_memcpy(&a, sums, 64);
    __builtin_memcpy(&b, sums + 8, 64);
    a += in_order.a;
    b += in_order.b;
    __builtin_memcpy(sums, &a, 64);
    __builtin_memcpy(sums + 8, &b, 64);
}

/* Four bits of each byte of a line: values of its positions 0 ... 3, or 4 ... 7. */
INLINE i8x64 half_of_nibbles(const char *line, int half) {
    typedef uint8_t u8x64 __attribute__((vector_size(64)));
    u8x64 v;
    __builtin_memcpy(&v, line, 64);
    return (i8x64)(half ? v >> 4 : v & 15);
}

/* What comes next in the cache after a line of values: as many bytes of keys, of nibbles twice as many. */
INLINE void fetch_next(const struct stlm_attention_call *c, const char *v, const int is_int4) {
    const char *next = (const char *)c->next_keys + ((v - (const char *)c->values) << is_int4);
    __builtin_prefetch(next, 0, 2);
    if (is_int4) __builtin_prefetch(next + 64, 0, 2);
}

#if SPLITS_ACTIVATIONS

/* The query as two planes of bytes in the scratch of the sums; returns what the sums with the upper plane begin with. */
INLINE int32_t place_query(const struct stlm_attention_call *c) {
    const size_t lines = (c->head_size + 3) / 4;
    char *upper = (char *)c->sums, *lower = upper + 4 * lines;
    __builtin_memset(upper + 4 * (lines - 1), 0, 4);
    __builtin_memset(lower + 4 * (lines - 1), 0, 4);
    for (size_t i = 0; i < c->head_size; i++) {
        upper[i] = (char)(c->query[i] >> 8);
        lower[i] = (char)(c->query[i] & 255);
    }
    return first_sum(upper, lines);
}

/* Scores of `groups` (a constant) groups of 16 positions from position t on. */
INLINE void score_narrow(const struct stlm_attention_call *c, size_t t, const int groups, int down_shift, int32_t first, int is_int4) {
    const size_t lines = (c->head_size + 3) / 4;
    const char *k = (const char *)c->keys + t * lines * 4, *upper = (const char *)c->sums, *lower = upper + 4 * lines;
    const char *v = (const char *)c->values + (t * c->head_size >> is_int4);
    dot_sums high[4], rest[4];
    struct row_sums all[4];
    UNROLLED for (int g = 0; g < groups; g++) {
        high[g] = sums_from(first);
        rest[g] = sums_from(0);
        all[g] = no_row_sums();
    }
    size_t line = 0;
    for (; line + STEP <= lines; line += STEP) {
        const struct activations x = activations_of(upper + 4 * line, STEP), y = unsigned_activations_of(lower + 4 * line, STEP);
        UNROLLED for (int g = 0; g < groups; g++) {
            UNROLLED for (int i = 0; i < STEP; i++) {
                const size_t at = ((size_t)g * lines + line + (size_t)i) * 64;
                const struct codes w = prepare(k + at, 1);
                all[g] = add_row_sums(all[g], w);
                high[g] = dot4(high[g], w, x, i);
                rest[g] = dot4_unsigned(rest[g], w, y, i);
                __builtin_prefetch(v + (at >> is_int4), 0, 2);
            }
        }
    }
    for (; STEP > 1 && line < lines; line++) {
        const struct activations x = activations_of(upper + 4 * line, 1), y = unsigned_activations_of(lower + 4 * line, 1);
        UNROLLED for (int g = 0; g < groups; g++) {
            const struct codes w = prepare(k + ((size_t)g * lines + line) * 64, 1);
            all[g] = add_row_sums(all[g], w);
            high[g] = dot4(high[g], w, x, 0);
            rest[g] = dot4_unsigned(rest[g], w, y, 0);
        }
    }
    UNROLLED for (int g = 0; g < groups; g++) {
        const i32x16 upper_rows = rows_of(high[g]), lower_rows = with_row_sums(rows_of(rest[g]), all[g]);
        const i32x16 narrow = down_shift <= 8
            ? (upper_rows << (8 - down_shift)) + round_shift_narrow(lower_rows, down_shift)
            : narrow_low(round_shift_low(add(shift_left(widen(upper_rows), 8), widen(lower_rows)), down_shift));
        finish_scores(c, t + 16 * (size_t)g, narrow);
    }
}

/* The four bytes of each weight: of 4 neighbours the first bytes, the second, the third, the fourth. */
INLINE i32x16 parts_of_weights(i32x16 w) {
#define BYTES(n) n, n + 4, n + 8, n + 12, n + 1, n + 5, n + 9, n + 13, n + 2, n + 6, n + 10, n + 14, n + 3, n + 7, n + 11, n + 15
    const i8x64 bytes = (i8x64)w;
    return (i32x16)__builtin_shufflevector(bytes, bytes, BYTES(0), BYTES(16), BYTES(32), BYTES(48));
#undef BYTES
}

/* sums += weights times values of `lines` lines from position t on, in `groups` (a constant) groups of 16 elements from element e on. */
INLINE void mix_lines(const struct stlm_attention_call *c, size_t t, size_t lines, size_t e, const int groups, const int is_int4) {
    const size_t stride = c->head_size * 4;
    const char *v = (const char *)c->values + (t / 4 * stride >> is_int4) + e * 4, *w = (const char *)(c->weights + t);
    dot_sums sums[4][4];
    struct row_sums all[4];
    UNROLLED for (int g = 0; g < groups; g++) {
        UNROLLED for (int k = 0; k < 4; k++) sums[g][k] = sums_from(0);
        all[g] = no_row_sums();
    }
    for (; lines; lines--, v += stride) {
        UNROLLED for (int half = 0; half <= is_int4; half++, w += 16) {
            struct activations x[4];
            /* Where a step is 4 lines, all 4 parts are in each. */
            UNROLLED for (int k = 0; k < 4; k++) x[k] = unsigned_activations_of(w + (STEP == 4 ? 0 : 4 * k), STEP);
            UNROLLED for (int g = 0; g < groups; g++) {
                const i8x64 nibbles = half_of_nibbles(v + 64 * g, half);
                const struct codes codes = prepare(is_int4 ? (const void *)&nibbles : v + 64 * g, 1);
                all[g] = add_row_sums(all[g], codes);
                UNROLLED for (int k = 0; k < 4; k++) sums[g][k] = dot4_unsigned(sums[g][k], codes, x[k], k);
            }
        }
        UNROLLED for (int g = 0; g < groups; g++) fetch_next(c, v + 64 * g, is_int4);
    }
    UNROLLED for (int g = 0; g < groups; g++) {
        i32x16 rows[4];
        UNROLLED for (int k = 0; k < 4; k++) rows[k] = with_row_sums(rows_of(sums[g][k]), all[g]);
        const struct wide low = widen(rows[0] + (rows[1] << 8)), high = widen(rows[2] + (rows[3] << 8));
        add_to_sums(c->sums + e + 16 * g, add(low, shift_left(high, 16)));
    }
}

#else

/* The query with zeros up to the end of its last line, in the scratch of the sums. */
INLINE int32_t place_query(const struct stlm_attention_call *c) {
    int16_t *codes = (int16_t *)c->sums;
    const size_t padded = (c->head_size + 3) / 4 * 4;
    for (size_t i = 0; i < c->head_size; i++) codes[i] = c->query[i];
    for (size_t i = c->head_size; i < padded; i++) codes[i] = 0;
    return 0;
}

INLINE void score_narrow(const struct stlm_attention_call *c, size_t t, const int groups, int down_shift, int32_t first, int is_int4) {
    const size_t lines = (c->head_size + 3) / 4;
    const char *k = (const char *)c->keys + t * lines * 4, *x = (const char *)c->sums;
    const char *v = (const char *)c->values + (t * c->head_size >> is_int4);
    struct wide total = {{0}, {0}};
    (void)groups, (void)first;
    for (size_t line = 0; line < lines;) {
        const size_t end = lines - line < LINES_IN_32_BITS ? lines : line + LINES_IN_32_BITS;
        struct wide_sums sums = no_wide_sums();
        for (; line < end; line++) {
            sums = dot4_wide(sums, widened(k + 64 * line), x + 8 * line);
            __builtin_prefetch(v + (64 * line >> is_int4), 0, 2);
        }
        total = add(total, rows_of_wide(sums));
    }
    finish_scores(c, t, narrow_low(round_shift_low(total, down_shift)));
}

/* Two parts of 15 bits of each weight: of 4 neighbours the low parts, then the high ones. */
INLINE i32x16 parts_of_weights(i32x16 w) {
#define WORDS(n) n, n + 2, n + 4, n + 6, n + 1, n + 3, n + 5, n + 7
    const i16x32 words = (i16x32)((w & 32767) | (i32x16)((u32x16)(w >> 15) << 16));
    return (i32x16)__builtin_shufflevector(words, words, WORDS(0), WORDS(8), WORDS(16), WORDS(24));
#undef WORDS
}

INLINE void mix_lines(const struct stlm_attention_call *c, size_t t, size_t lines, size_t e, const int groups, const int is_int4) {
    const size_t stride = c->head_size * 4;
    const char *values = (const char *)c->values + (t / 4 * stride >> is_int4) + e * 4;
    struct wide total = {{0}, {0}};
    (void)groups;
    /* Parts whose sums have room beside each other in registers. */
    UNROLLED for (int part = 0; part < 2; part += WEIGHT_PARTS) {
        const char *v = values, *w = (const char *)(c->weights + t) + 8 * part;
        struct wide_sums sums[2];
        UNROLLED for (int k = 0; k < WEIGHT_PARTS; k++) sums[k] = no_wide_sums();
        for (size_t line = 0; line < lines; line++, v += stride) {
            UNROLLED for (int half = 0; half <= is_int4; half++, w += 16) {
                const i8x64 nibbles = half_of_nibbles(v, half);
                const struct wide_codes codes = widened(is_int4 ? (const void *)&nibbles : v);
                UNROLLED for (int k = 0; k < WEIGHT_PARTS; k++) sums[k] = dot4_wide(sums[k], codes, w + 8 * k);
            }
            if (part == 0) fetch_next(c, v, is_int4);
        }
        UNROLLED for (int k = 0; k < WEIGHT_PARTS; k++) total = add(total, shift_left(rows_of_wide(sums[k]), 15 * (part + k)));
    }
    add_to_sums(c->sums + e, total);
}

#endif

INLINE void mix_narrow(const struct stlm_attention_call *c, const int is_int4) {
    const size_t line = is_int4 ? 8 : 4, groups = (c->head_size + 15) / 16;
    for (size_t t = 0; t < c->position_count; t += POSITIONS_AT_ONCE) {
        const size_t left = c->position_count - t;
        const size_t lines = ((left < POSITIONS_AT_ONCE ? left : POSITIONS_AT_ONCE) + line - 1) / line;
        size_t g = 0;
        for (; VALUE_GROUPS > 1 && g + 4 <= groups; g += 4) mix_lines(c, t, lines, 16 * g, 4, is_int4);
        if (VALUE_GROUPS > 1 && groups - g == 3) {
            mix_lines(c, t, lines, 16 * g, 3, is_int4);
            continue;
        }
        for (; VALUE_GROUPS > 1 && g + 2 <= groups; g += 2) mix_lines(c, t, lines, 16 * g, 2, is_int4);
        for (; g < groups; g++) mix_lines(c, t, lines, 16 * g, 1, is_int4);
    }
}

/* A nibble n stands for 2 n - 15. */
INLINE void center_nibbles(const struct stlm_attention_call *c, int64_t weight_sum) {
    for (size_t i = 0; i < c->head_size; i++) c->sums[i] = 2 * c->sums[i] - 15 * weight_sum;
}
