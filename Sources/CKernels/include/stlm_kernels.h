/* Instruction-level kernels. Each set serves one CPU feature and equals the Swift reference in Sources/Kernels bit for bit;
   section numbers are those of Formats/arithmetic-1.md. A kernel that returns int32_t gives 0 where its input lies outside what it
   covers - nothing is then written - and the reference is to be run. */
#ifndef STLM_KERNELS_H
#define STLM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define STLM_KERNEL __attribute__((swift_attr("@_noAllocation")))

/* The sets. Each can do what stands before it in its family. */
enum stlm_kernel_set {
    STLM_KERNELS_BASELINE = 0, /* the Swift reference alone; must not be passed below */
    STLM_KERNELS_AVX2 = 1,
    STLM_KERNELS_AVXVNNI = 2,
    STLM_KERNELS_AVX512 = 3, /* F, BW, DQ, VL and VNNI */
    STLM_KERNELS_NEON = 4,
    STLM_KERNELS_DOTPROD = 5,
    STLM_KERNELS_I8MM = 6,
};

/* Bit n is set if this CPU runs set n. */
STLM_KERNEL uint32_t stlm_kernels_available(void);
/* Code that no call with this set comes to, piece by piece; 0 where there is no piece with this index. A piece may have no bytes. */
STLM_KERNEL int32_t stlm_kernels_unused(uint32_t set, size_t index, const void **start, size_t *byte_count);

/* A matrix of 16-row blocks (stlm-1, section 6) and vectors to multiply it with: section 4. */
struct stlm_linear_call {
    const void *codes;           /* (blocks, line_count) lines of 64 bytes; of groups those of the first plane, then those of the second */
    const uint8_t *group_scales; /* of groups: (blocks, columns / 32 rounded up, 16), two of 4 bits */
    const int8_t *levels;        /* of groups of fewer than 6 bits: (2^bits), in -64 ... 64 */
    const uint16_t *row_scales;  /* (rows rounded up to 16) */
    const int32_t *bias;         /* (rows), or 0 */
    const void *activations;     /* (vectors, activation_stride bytes), zero from column_count up to a multiple of 32 columns */
    const int32_t *scales;       /* (vectors, 2): mantissa and exponent */
    const int32_t *shifts;       /* (vectors): T + e - P - F, in -2^30 ... 2^30 */
    const int32_t *bias_shifts;  /* (vectors): FB - F, likewise; read only if there is a bias */
    int32_t *results;            /* (vectors, result_stride) */
    size_t line_count;
    size_t row_count;
    size_t column_count;
    size_t activation_stride;
    size_t plane_stride; /* where each vector is two planes of bytes: from the first to the second */
    size_t vector_count;
    size_t result_stride;
    int32_t pre_shift;  /* P */
    int32_t sum_bits;    /* N */
    int32_t accumulates; /* adds to the results, saturating */
};

/* Rows of blocks first ..< end. Codes are int8 or int16, activations int8 or int16 by the name; int8 x int16 reads its activations
   as stlm_splits_activations says. */
STLM_KERNEL void stlm_linear_int8(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end);
STLM_KERNEL void stlm_linear_int8_int16(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end);
STLM_KERNEL void stlm_linear_int16(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end);

/* The same of groups, whose codes have 2 ... 6 bits, and of ternary codes. int16 activations are not in planes. */
enum stlm_packed_codes { STLM_CODES_TERNARY_4 = 7, STLM_CODES_TERNARY_5 = 8 };
STLM_KERNEL void stlm_linear_packed(
    uint32_t set, const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end);

/* 1 if int8 x int16 of this set wants each vector as two planes of bytes: all c >> 8, then all c & 255. */
STLM_KERNEL int32_t stlm_splits_activations(uint32_t set);

/* Codes of a vector (section 3): rshr(x * reciprocal, shift), zero from count up to padded_count. */
enum stlm_code_form { STLM_CODES_INT8 = 0, STLM_CODES_INT16 = 1, STLM_CODES_PLANES = 2 };
STLM_KERNEL void stlm_quantize(
    uint32_t set, const int32_t *x, size_t count, int64_t reciprocal, int32_t shift, uint32_t form, void *codes, size_t padded_count);

/* Codes of 8 or 16 bits of some heads, each by itself (section 6.2, step 3): head h of heads, code_stride codes apart, and its mantissa and
   exponent. `form` is STLM_CODES_INT8 or STLM_CODES_INT16; one code of 16 bits beyond an odd head is set to 0 where the stride leaves room.
   The codes may take the place of the heads. */
STLM_KERNEL void stlm_quantize_heads(
    uint32_t set, const int32_t *heads, size_t head_count, size_t head_size, int32_t fraction_bits, uint32_t form, void *codes,
    size_t code_stride, int32_t *scales);

/* Codes of 4 or 8 bits of codes of 16 by the candidate with the least error (sections 6.2.1 and 6.2.2), one a byte, which may take the place of
   those; returns h or s. */
#define STLM_CANDIDATE_COUNT 8
#define STLM_NIBBLE_HALF_FIRST 1920
#define STLM_NIBBLE_HALF_STEP 96
#define STLM_BYTE_FIRST 258
#define STLM_BYTE_STEP 2
STLM_KERNEL int32_t stlm_quantize_nibbles(uint32_t set, const int16_t *x, size_t count, uint8_t *nibbles);
STLM_KERNEL int32_t stlm_quantize_bytes(uint32_t set, const int16_t *x, size_t count, int8_t *codes);

/* Greatest magnitude of a vector. */
STLM_KERNEL uint32_t stlm_maximum_magnitude(uint32_t set, const int32_t *x, size_t count);

/* Section 5. Greatest |sat32(x - mean)|; the sum of squares S; the rest, for 0 <= shift, weight_shift <= 62, with the greatest |y|. */
STLM_KERNEL uint32_t stlm_centered_maximum(uint32_t set, const int32_t *x, size_t count, int32_t mean);
STLM_KERNEL uint64_t stlm_sum_of_squares(uint32_t set, const int32_t *x, size_t count, int32_t mean, int32_t narrowing);
struct stlm_norm_call {
    const int32_t *x;
    const int32_t *weight;
    const int32_t *bias; /* or 0 */
    int32_t *y;
    size_t count;
    int64_t root; /* 0 ... 2^31 */
    int32_t mean;
    int32_t shift;
    int32_t weight_shift;
};
STLM_KERNEL uint32_t stlm_norm(uint32_t set, const struct stlm_norm_call *call);

/* Section 6.2, step 2: (head_count * head_size) elements in place. */
STLM_KERNEL void stlm_rotate(uint32_t set, int32_t *heads, size_t head_count, size_t head_size, const int16_t *row);

/* Section 6.4, activations 1 (gelu) and 6 (silu), in place; `table` is NORMAL or SIGMOID, `index_shift` 13 or 14. Returns the greatest
   magnitude. */
STLM_KERNEL uint32_t stlm_activate(
    uint32_t set, int32_t *x, size_t count, int32_t fraction_bits, const uint32_t *table, int32_t index_shift);

/* gate = scale(gate * up, shift), 0 <= shift <= 62; returns the greatest magnitude. */
STLM_KERNEL uint32_t stlm_multiply_gate(uint32_t set, int32_t *gate, const int32_t *up, size_t count, int32_t shift);

/* Attention of one query head: section 6.2, step 4. Keys and values have 16 bits, or 8, or keys 8 and values 4. */
enum stlm_key_value_type { STLM_KEY_VALUE_INT16 = 0, STLM_KEY_VALUE_INT8 = 1, STLM_KEY_VALUE_INT4 = 2 };
struct stlm_attention_call {
    const int16_t *query;        /* (head_size, rounded up to 2), zero beyond head_size */
    const void *keys;            /* int16 (positions / 16, head_size / 2, 16 positions, 2), int8 (positions / 16, head_size / 4, 16 positions,
                                    4), each division rounded up; zero beyond head_size */
    const int32_t *key_scales;   /* (positions rounded up to 16): mantissa + exponent * 2^17 */
    const void *next_keys;       /* those that the next call will read, or any: they are fetched into the cache */
    const void *values;          /* int16 (positions / 2, head_size, 2 positions), int8 (positions / 4, head_size, 4 positions), nibbles
                                    (positions / 8, head_size, 4 bytes): byte k has position k in its low half and k + 4 in its high half;
                                    each division rounded up. 64 bytes beyond the last are read */
    const int32_t *value_scales; /* as those of keys */
    int32_t *weights;            /* scratch (positions rounded up to 16) */
    int64_t *sums;               /* scratch (head_size rounded up to 16) */
    int32_t *result;             /* (head_size) */
    size_t head_size;
    size_t position_count;
    int32_t type;
    int32_t multiplier;           /* M */
    int32_t base_shift;           /* EC + qe - 50 - D */
    int32_t least_value_exponent; /* EL */
};
STLM_KERNEL int32_t stlm_attend(uint32_t set, const struct stlm_attention_call *call);

/* Least of count elements, at least one. */
STLM_KERNEL int32_t stlm_least(uint32_t set, const int32_t *x, size_t count);

/* Index of the greatest of count elements, at least one; of several the least index. */
STLM_KERNEL size_t stlm_greatest(uint32_t set, const int32_t *x, size_t count);

/* Sum over exp2n(min((greatest - x[i]) * factor >> shift, 2^32 - 1)), for those of at least `least` (sections 7 and 9); 0 <= shift, and
   shift <= 63 where factor < 2^32, else 32 <= shift <= 95 and factor < 2^41. */
struct stlm_softmax_call {
    const int32_t *x;
    size_t count;
    uint64_t factor;
    int32_t greatest;
    int32_t shift;
    uint32_t least;
};
STLM_KERNEL uint64_t stlm_softmax_total(uint32_t set, const struct stlm_softmax_call *call);
/* The first index at which the running sum exceeds `rest`; count if it never does. */
STLM_KERNEL size_t stlm_softmax_find(uint32_t set, const struct stlm_softmax_call *call, uint64_t rest);

/* Sums of the same by distance: bins[k] gets that of distances k * 2^20 ... (k + 1) * 2^20 - 1; further ones are 0. bins: (4, 512), of which
   the first 512 are the result. */
STLM_KERNEL void stlm_softmax_bins(uint32_t set, const struct stlm_softmax_call *call, uint64_t *bins);

/* The first index from `from` on whose element lies in low ... high; count if there is none. */
STLM_KERNEL size_t stlm_next_between(uint32_t set, const int32_t *x, size_t from, size_t count, int32_t low, int32_t high);

/* Sum of all words of a buffer, a multiple of 256 bytes, read as fast as one thread can: for measuring memory. */
STLM_KERNEL uint64_t stlm_read_all(uint32_t set, const void *bytes, size_t byte_count);

/* CRC-32 (stlm-1, section 9), `state` being the register: of how many bytes from the first on, 0 where the CPU has no instructions for it. */
STLM_KERNEL size_t stlm_checksum(uint32_t set, uint32_t *state, const void *bytes, size_t byte_count);

#endif
