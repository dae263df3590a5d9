#if defined(__x86_64__)
#pragma clang section text = "elementwise_avx512" /* stlm_kernels_unused() knows them by these names. */
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi2,pclmul"))), apply_to = function)
#define ELEMENTWISE stlm_elementwise_avx512
#include "elementwise.h"
#pragma clang attribute pop
#endif
