#if defined(__x86_64__)
#include <immintrin.h>
/* A test compiles this file for AVX-512, whose instructions are the same. */
#ifndef AVXVNNI_TARGET
#define AVXVNNI_TARGET "avx2,avxvnni"
#endif
#pragma clang attribute push(__attribute__((target(AVXVNNI_TARGET))), apply_to = function)
#define VNNI 1
#include "dots_avx2.h"
#include "linear.h"
#include "attention.h"
#pragma clang attribute pop

const struct kernel_table stlm_kernels_avxvnni = {
    .linear_int8 = linear_int8,
    .linear_int8_int16 = linear_int8_int16,
    .linear_int16 = linear_int16,
    .attend = attend,
    .elementwise = &stlm_elementwise_avx2,
    .splits_activations = SPLITS_ACTIVATIONS,
};
#endif
