#include "vnni_twin.h"

#if defined(__x86_64__)
#define AVXVNNI_TARGET "avx2,avx512vl,avx512vnni"
#define DPBUSD _mm256_dpbusd_epi32
#define DPWSSD _mm256_dpwssd_epi32
#define stlm_kernels_avxvnni twin
#include "../../Sources/CKernels/kernels_avxvnni.c"

void twin_linear_int8(const struct stlm_linear_call *call, size_t first, size_t end) { twin.linear_int8(call, first, end); }
void twin_linear_int8_int16(const struct stlm_linear_call *call, size_t first, size_t end) { twin.linear_int8_int16(call, first, end); }
void twin_linear_int16(const struct stlm_linear_call *call, size_t first, size_t end) { twin.linear_int16(call, first, end); }
void twin_linear_packed(const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end) {
    twin.linear_packed(call, codes, activation_bits, first, end);
}
int32_t twin_attend(const struct stlm_attention_call *call) { return twin.attend(call); }
#else
void twin_linear_int8(const struct stlm_linear_call *call, size_t first, size_t end) { (void)call, (void)first, (void)end; }
void twin_linear_int8_int16(const struct stlm_linear_call *call, size_t first, size_t end) { (void)call, (void)first, (void)end; }
void twin_linear_int16(const struct stlm_linear_call *call, size_t first, size_t end) { (void)call, (void)first, (void)end; }
void twin_linear_packed(const struct stlm_linear_call *call, uint32_t codes, uint32_t activation_bits, size_t first, size_t end) {
    (void)call, (void)codes, (void)activation_bits, (void)first, (void)end;
}
int32_t twin_attend(const struct stlm_attention_call *call) { return (void)call, 0; }
#endif
