#if defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#define DOTPROD 1
#define I8MM 0
#include "dots_neon.h"
#include "linear.h"
#include "attention.h"
#pragma clang attribute pop

const struct kernel_table stlm_kernels_dotprod = {
    .linear_int8 = linear_int8,
    .linear_int8_int16 = linear_int8_int16,
    .linear_int16 = linear_int16,
    .attend = attend,
    .elementwise = &stlm_elementwise_neon,
    .splits_activations = SPLITS_ACTIVATIONS,
};
#endif
