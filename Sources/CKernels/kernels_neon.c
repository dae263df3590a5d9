#if defined(__ARM_NEON)
#if defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("tune=cortex-a53"))), apply_to = function)
#endif
#define DOTPROD 0
#define I8MM 0
#include "dots_neon.h"
#define KERNELS stlm_kernels_neon
#define SHARED stlm_elementwise_neon
#include "set.h"
#if defined(__aarch64__)
#pragma clang attribute pop
#endif
#endif
