#if defined(__ARM_NEON)
#define ELEMENTWISE stlm_elementwise_neon
#include "elementwise.h"
#endif
