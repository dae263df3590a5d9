/* Memory that ends right before a page that cannot be touched. */
#ifndef KERNEL_CHECK_GUARD_H
#define KERNEL_CHECK_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* The end of at least byte_count bytes, zeroed; 0 on failure. Nothing beside them can be touched, on either side. */
void *guard_reserve(size_t byte_count);
void guard_release(void *end, size_t byte_count);

/* Calls a handler on an access to such a page, and on an instruction that the CPU lacks. */
void guard_catch(void (*handler)(int32_t signal));

#endif
