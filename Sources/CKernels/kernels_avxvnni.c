#if defined(__x86_64__)
#pragma clang section text = "kernels_avxvnni" /* stlm_kernels_unused() knows them by these names. */
#include <immintrin.h>
/* A test compiles this file for AVX-512, whose instructions are the same. */
#ifndef AVXVNNI_TARGET
#define AVXVNNI_TARGET "avx2,avxvnni"
#endif
#pragma clang attribute push(__attribute__((target(AVXVNNI_TARGET))), apply_to = function)
#define VNNI 1
#include "dots_avx2.h"
#define KERNELS stlm_kernels_avxvnni
#define SHARED stlm_elementwise_avx2
#include "set.h"
#pragma clang attribute pop
#endif
