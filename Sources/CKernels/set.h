/* The kernels with dot products, and a set's table. A set's file includes this after its dots_*.h, with KERNELS the table to define and
   SHARED the table of the kernels without. */
#include "linear.h"
#include "groups.h"
#include "attention.h"

const struct kernel_table KERNELS = {
    .linear_int8 = linear_int8,
    .linear_int8_int16 = linear_int8_int16,
    .linear_int16 = linear_int16,
    .linear_packed = linear_packed,
    .attend = attend,
    .elementwise = &SHARED,
    .splits_activations = SPLITS_ACTIVATIONS,
};
