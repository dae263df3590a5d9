#if defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#define DOTPROD 1
#define I8MM 1
#include "dots_neon.h"
#define KERNELS stlm_kernels_i8mm
#define SHARED stlm_elementwise_neon
#include "set.h"
#pragma clang attribute pop
#endif
