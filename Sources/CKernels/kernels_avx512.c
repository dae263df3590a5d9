#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi2"))), apply_to = function)
#include "dots_avx512.h"
#include "linear.h"
#include "attention.h"
#pragma clang attribute pop

const struct kernel_table stlm_kernels_avx512 = {
    .linear_int8 = linear_int8,
    .linear_int8_int16 = linear_int8_int16,
    .linear_int16 = linear_int16,
    .attend = attend,
    .elementwise = &stlm_elementwise_avx512,
    .splits_activations = SPLITS_ACTIVATIONS,
};
#endif
