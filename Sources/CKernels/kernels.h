/* What a set of kernels consists of. */
#ifndef STLM_KERNEL_TABLE_H
#define STLM_KERNEL_TABLE_H

#include "stlm_kernels.h"

/* As stlm_NAME without its set. */
struct kernel_table {
    void (*linear_int8)(const struct stlm_linear_call *call, size_t first, size_t end);
    void (*linear_int8_int16)(const struct stlm_linear_call *call, size_t first, size_t end);
    void (*linear_int16)(const struct stlm_linear_call *call, size_t first, size_t end);
    void (*linear_packed)(const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end);
    int32_t (*attend)(const struct stlm_attention_call *call);
    const struct elementwise_table *elementwise;
    int32_t splits_activations;
};

/* Those without dot products, which a set may share with another. */
struct elementwise_table {
    void (*quantize)(const int32_t *x, size_t count, int64_t reciprocal, int32_t shift, uint32_t form, void *codes, size_t padded_count);
    void (*quantize_heads)(
        const int32_t *heads, size_t head_count, size_t head_size, int32_t fraction_bits, uint32_t form, void *codes, size_t code_stride,
        int32_t *scales);
    int32_t (*quantize_nibbles)(const int16_t *x, size_t count, uint8_t *nibbles);
    int32_t (*quantize_bytes)(const int16_t *x, size_t count, int8_t *codes);
    uint32_t (*maximum_magnitude)(const int32_t *x, size_t count);
    uint32_t (*centered_maximum)(const int32_t *x, size_t count, int32_t mean);
    uint64_t (*sum_of_squares)(const int32_t *x, size_t count, int32_t mean, int32_t narrowing);
    uint32_t (*norm)(const struct stlm_norm_call *call);
    void (*rotate)(int32_t *heads, size_t head_count, size_t head_size, const int16_t *row);
    uint32_t (*activate)(int32_t *x, size_t count, int32_t fraction_bits, const uint32_t *table, int32_t index_shift);
    uint32_t (*multiply_gate)(int32_t *gate, const int32_t *up, size_t count, int32_t shift);
    int32_t (*least)(const int32_t *x, size_t count);
    size_t (*greatest)(const int32_t *x, size_t count);
    uint64_t (*softmax_total)(const struct stlm_softmax_call *call);
    size_t (*softmax_find)(const struct stlm_softmax_call *call, uint64_t rest);
    void (*softmax_bins)(const struct stlm_softmax_call *call, uint64_t *bins);
    size_t (*next_between)(const int32_t *x, size_t from, size_t count, int32_t low, int32_t high);
    uint64_t (*read_all)(const void *bytes, size_t byte_count);
    size_t (*checksum)(uint32_t *state, const void *bytes, size_t byte_count);
};

#if defined(__x86_64__)
extern const struct kernel_table stlm_kernels_avx2, stlm_kernels_avxvnni, stlm_kernels_avx512;
extern const struct elementwise_table stlm_elementwise_avx2, stlm_elementwise_avx512;
#elif defined(__ARM_NEON)
extern const struct kernel_table stlm_kernels_neon;
extern const struct elementwise_table stlm_elementwise_neon;
#if defined(__aarch64__)
extern const struct kernel_table stlm_kernels_dotprod, stlm_kernels_i8mm;
#endif
#endif

#endif
