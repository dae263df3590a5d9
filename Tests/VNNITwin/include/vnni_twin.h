/* The AVX-VNNI kernels with the same instructions in AVX-512's encoding, so that a CPU without AVX-VNNI can test them. Not to be called
   where stlm_kernels_available() lacks AVX-512. */
#ifndef VNNI_TWIN_H
#define VNNI_TWIN_H

#include "stlm_kernels.h"

void twin_linear_int8(const struct stlm_linear_call *call, size_t first, size_t end);
void twin_linear_int8_int16(const struct stlm_linear_call *call, size_t first, size_t end);
void twin_linear_int16(const struct stlm_linear_call *call, size_t first, size_t end);
void twin_linear_packed(const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end);
int32_t twin_attend(const struct stlm_attention_call *call);

#endif
