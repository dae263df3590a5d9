/* Pairs of 16 bits by dot2, for sets whose own instructions sum them in 32 bits. */

#define PAIR_STEP 1
/* Pairs between two widenings: a pair of products with x & 255 is below 2^24, so that 127 fit in 32 bits. */
#define PAIRS_AT_ONCE 120

/* Each row's sum of products with x >> 8 and with x & 255. */
struct pair_sums {
    i32x16 high, rest;
};

INLINE struct pair_sums no_pair_sums(void) { return (struct pair_sums){splat(0), splat(0)}; }

INLINE struct pair_sums add_pairs(struct pair_sums s, const void *line, size_t next, const void *x, const int lines) {
    (void)next, (void)lines;
    i16x32 w;
    __builtin_memcpy(&w, line, 64);
    const i16x32 two = (i16x32)splat(four_bytes(x));
    return (struct pair_sums){dot2(s.high, w, two >> 8), dot2(s.rest, w, two & 255)};
}

INLINE struct pair_sums both(struct pair_sums a, struct pair_sums b) { return (struct pair_sums){a.high + b.high, a.rest + b.rest}; }

INLINE struct wide rows_of_pairs(struct pair_sums s) { return add(shift_left(widen(s.high), 8), widen(s.rest)); }

/* rshr of the sums by D, where D lets 32 bits do. */
INLINE int can_round_pairs(int shift) { return shift <= 7; }
INLINE i32x16 rounded_pairs(struct pair_sums s, int shift) { return (s.high << (8 - shift)) + round_shift_narrow(s.rest, shift); }

/* Weights of attention: 3 * 10 bits. */
#define PARTS 3
#define PART_BITS 10
typedef i32x16 part_sums;
typedef int32_t part;

INLINE part_sums no_part_sums(void) { return splat(0); }
INLINE part_sums add_parts(part_sums s, const void *line, size_t next, const int32_t *x, const int lines) {
    (void)next, (void)lines;
    i16x32 w;
    __builtin_memcpy(&w, line, 64);
    return dot2(s, w, (i16x32)splat(*x));
}
INLINE void store_parts(part *p, part_sums s) { store(p, s); }
