#if defined(__x86_64__)
#pragma clang section text = "kernels_avx512" /* stlm_kernels_unused() knows them by these names. */
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi2"))), apply_to = function)
#include "dots_avx512.h"
#define KERNELS stlm_kernels_avx512
#define SHARED stlm_elementwise_avx512
#include "set.h"
#pragma clang attribute pop
#endif
