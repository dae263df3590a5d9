#if defined(__ARM_NEON)
#if defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("tune=cortex-a53"))), apply_to = function)
#endif
#define DOTPROD 0
#define I8MM 0
#include "dots_neon.h"
#include "linear.h"
#include "attention.h"
#if defined(__aarch64__)
#pragma clang attribute pop
#endif

const struct kernel_table stlm_kernels_neon = {
    .linear_int8 = linear_int8,
    .linear_int8_int16 = linear_int8_int16,
    .linear_int16 = linear_int16,
    .attend = attend,
    .elementwise = &stlm_elementwise_neon,
    .splits_activations = SPLITS_ACTIVATIONS,
};
#endif
