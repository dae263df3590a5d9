#if defined(__x86_64__)
#pragma clang section text = "kernels_avx2" /* stlm_kernels_unused() knows them by these names. */
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define VNNI 0
#include "dots_avx2.h"
#define KERNELS stlm_kernels_avx2
#define SHARED stlm_elementwise_avx2
#include "set.h"
#pragma clang attribute pop
#endif
