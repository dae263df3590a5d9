/* Instruction-level kernels, one function a CPU feature. Each equals its reference in Sources/Kernels bit for bit. */
#ifndef STLM_KERNELS_H
#define STLM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* What this CPU can do, as bits; 0 on CPUs without a kernel here. */
#define STLM_CPU_AVX2 1u
__attribute__((swift_attr("@_noAllocation"))) uint32_t stlm_cpu_features(void);

/* Sums of int8 codes times int8 activations, 16 rows a block, interleaved as in Formats/stlm-1.md, section 6.
   codes: row_blocks * line_count lines of 64 bytes; activations: line_count * 4 codes in -127...127;
   sums: row_blocks * 16. Exact for any weight code, -128 included. Must not be called without STLM_CPU_AVX2. */
__attribute__((swift_attr("@_noAllocation"))) void stlm_sums_int8_avx2(
    const void *codes, size_t row_blocks, size_t line_count, const void *activations, int32_t *sums);

/* The same for one block of 16 rows and int16 activations in -32,767...32,767. */
__attribute__((swift_attr("@_noAllocation"))) void stlm_sums_int8_int16_avx2(
    const void *codes, size_t line_count, const void *activations, int64_t *sums);

#endif
