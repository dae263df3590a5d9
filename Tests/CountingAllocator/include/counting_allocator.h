/* The heap of a program, counted; and a jail in which it can only write, wait and end. */
#ifndef COUNTING_ALLOCATOR_H
#define COUNTING_ALLOCATOR_H
#include <stdint.h>

/* Calls of malloc, calloc, realloc, free, posix_memalign and aligned_alloc of all threads so far. */
uint64_t counting_allocator_calls(void);

/* From now on every thread is killed by any system call but write, futex, exit and exit_group; 0, or an errno where there is no seccomp. */
int32_t counting_allocator_jail(void);
#endif
