/* From a set's number to its kernels. */
#include "kernels.h"

static const struct kernel_table *table(uint32_t set) {
    switch (set) {
#if defined(__x86_64__)
    case STLM_KERNELS_AVX2: return &stlm_kernels_avx2;
    case STLM_KERNELS_AVXVNNI: return &stlm_kernels_avxvnni;
    case STLM_KERNELS_AVX512: return &stlm_kernels_avx512;
#elif defined(__ARM_NEON)
    case STLM_KERNELS_NEON: return &stlm_kernels_neon;
#if defined(__aarch64__)
    case STLM_KERNELS_DOTPROD: return &stlm_kernels_dotprod;
    case STLM_KERNELS_I8MM: return &stlm_kernels_i8mm;
#endif
#endif
    default: __builtin_trap(); /* stlm_kernels_available() does not offer it */
    }
}

void stlm_linear_int8(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end) {
    table(set)->linear_int8(call, first, end);
}

void stlm_linear_int8_int16(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end) {
    table(set)->linear_int8_int16(call, first, end);
}

void stlm_linear_int16(uint32_t set, const struct stlm_linear_call *call, size_t first, size_t end) {
    table(set)->linear_int16(call, first, end);
}

void stlm_linear_packed(
    uint32_t set, const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end) {
    table(set)->linear_packed(call, codes, activation_bits, first, end);
}

int32_t stlm_splits_activations(uint32_t set) { return table(set)->splits_activations; }

void stlm_quantize(
    uint32_t set, const int32_t *x, size_t count, int64_t reciprocal, int32_t shift, uint32_t form, void *codes, size_t padded_count) {
    table(set)->elementwise->quantize(x, count, reciprocal, shift, form, codes, padded_count);
}

void stlm_quantize_heads(
    uint32_t set, const int32_t *heads, size_t head_count, size_t head_size, int32_t fraction_bits, uint32_t form, void *codes,
    size_t code_stride, int32_t *scales) {
    table(set)->elementwise->quantize_heads(heads, head_count, head_size, fraction_bits, form, codes, code_stride, scales);
}

int32_t stlm_quantize_nibbles(uint32_t set, const int16_t *x, size_t count, uint8_t *nibbles) {
    return table(set)->elementwise->quantize_nibbles(x, count, nibbles);
}

int32_t stlm_quantize_bytes(uint32_t set, const int16_t *x, size_t count, int8_t *codes) {
    return table(set)->elementwise->quantize_bytes(x, count, codes);
}

uint32_t stlm_maximum_magnitude(uint32_t set, const int32_t *x, size_t count) {
    return table(set)->elementwise->maximum_magnitude(x, count);
}

uint32_t stlm_centered_maximum(uint32_t set, const int32_t *x, size_t count, int32_t mean) {
    return table(set)->elementwise->centered_maximum(x, count, mean);
}

uint64_t stlm_sum_of_squares(uint32_t set, const int32_t *x, size_t count, int32_t mean, int32_t narrowing) {
    return table(set)->elementwise->sum_of_squares(x, count, mean, narrowing);
}

uint32_t stlm_norm(uint32_t set, const struct stlm_norm_call *call) { return table(set)->elementwise->norm(call); }

void stlm_rotate(uint32_t set, int32_t *heads, size_t head_count, size_t head_size, const int16_t *row) {
    table(set)->elementwise->rotate(heads, head_count, head_size, row);
}

uint32_t stlm_activate(uint32_t set, int32_t *x, size_t count, int32_t fraction_bits, const uint32_t *values, int32_t index_shift) {
    return table(set)->elementwise->activate(x, count, fraction_bits, values, index_shift);
}

uint32_t stlm_multiply_gate(uint32_t set, int32_t *gate, const int32_t *up, size_t count, int32_t shift) {
    return table(set)->elementwise->multiply_gate(gate, up, count, shift);
}

int32_t stlm_attend(uint32_t set, const struct stlm_attention_call *call) { return table(set)->attend(call); }

int32_t stlm_least(uint32_t set, const int32_t *x, size_t count) { return table(set)->elementwise->least(x, count); }

size_t stlm_greatest(uint32_t set, const int32_t *x, size_t count) { return table(set)->elementwise->greatest(x, count); }

uint64_t stlm_softmax_total(uint32_t set, const struct stlm_softmax_call *call) {
    return table(set)->elementwise->softmax_total(call);
}

size_t stlm_softmax_find(uint32_t set, const struct stlm_softmax_call *call, uint64_t rest) {
    return table(set)->elementwise->softmax_find(call, rest);
}

void stlm_softmax_bins(uint32_t set, const struct stlm_softmax_call *call, uint64_t *bins) {
    table(set)->elementwise->softmax_bins(call, bins);
}

size_t stlm_next_between(uint32_t set, const int32_t *x, size_t from, size_t count, int32_t low, int32_t high) {
    return table(set)->elementwise->next_between(x, from, count, low, high);
}

uint64_t stlm_read_all(uint32_t set, const void *bytes, size_t byte_count) {
    return table(set)->elementwise->read_all(bytes, byte_count);
}

size_t stlm_checksum(uint32_t set, uint32_t *state, const void *bytes, size_t byte_count) {
    return table(set)->elementwise->checksum(state, bytes, byte_count);
}

#if defined(__x86_64__)
/* The code of each object of kernels: the linker's names for the sections that kernels_*.c and elementwise_*.c put theirs into. (Those of
   ARM have most functions in common, which the linker makes one.) */
#define SECTION(name) extern const char __start_##name[], __stop_##name[]
#define CODE(name, sets) { __start_##name, __stop_##name, sets }
#define SET(name) (1u << STLM_KERNELS_##name)
SECTION(kernels_avx2); SECTION(kernels_avxvnni); SECTION(kernels_avx512); SECTION(elementwise_avx2); SECTION(elementwise_avx512);

int32_t stlm_kernels_unused(uint32_t set, size_t index, const void **start, size_t *byte_count) {
    static const struct code {
        const char *start, *stop;
        uint32_t sets;
    } codes[] = {
        CODE(kernels_avx2, SET(AVX2)), CODE(kernels_avxvnni, SET(AVXVNNI)), CODE(kernels_avx512, SET(AVX512)),
        CODE(elementwise_avx2, SET(AVX2) | SET(AVXVNNI)), CODE(elementwise_avx512, SET(AVX512)),
    };
    if (index >= sizeof codes / sizeof *codes) return 0;
    *start = codes[index].start;
    *byte_count = codes[index].sets >> set & 1 ? 0 : (size_t)(codes[index].stop - codes[index].start);
    return 1;
}
#else
int32_t stlm_kernels_unused(uint32_t set, size_t index, const void **start, size_t *byte_count) {
    (void)set, (void)index, (void)start, (void)byte_count;
    return 0;
}
#endif
