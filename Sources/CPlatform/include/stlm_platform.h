/* The one seam to the system. Nothing here allocates from the heap; functions that can fail return an errno, 0 for success. */
#ifndef STLM_PLATFORM_H
#define STLM_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "STLM needs a little-endian CPU: model files are little-endian and used where they lie."
#endif

#define STLM_NOALLOC __attribute__((swift_attr("@_noAllocation")))

/* Opens a file to read it from its beginning. EISDIR and EINVAL (empty, or no regular file) are told apart;
   STLM_TOO_LARGE (EFBIG) has more bytes than an Int counts. */
#define STLM_TOO_LARGE 27
STLM_NOALLOC int32_t stlm_file_open(const char *path, size_t *byte_count, int32_t *descriptor);
STLM_NOALLOC void stlm_file_close(int32_t descriptor);

/* Maps a whole file read-only, and keeps it open where a descriptor is wanted. Errors are those of stlm_file_open. */
STLM_NOALLOC int32_t stlm_file_map(const char *path, const void **base, size_t *byte_count, int32_t *descriptor);
/* The same of a descriptor, which stays the caller's. */
STLM_NOALLOC int32_t stlm_descriptor_map(int32_t descriptor, const void **base, size_t *byte_count);
STLM_NOALLOC void stlm_file_unmap(const void *base, size_t byte_count, int32_t descriptor);

/* Takes a mapped file's pages out of this process; they come back when they are read. */
STLM_NOALLOC void stlm_file_forget(const void *base, size_t byte_count);

/* For bytes of a mapped file that pass through memory. Pages come as they are asked for, and no neighbours. What the system has of the file
   is dropped first where it can be: it may lie there in large pieces, of which a fault maps all. */
STLM_NOALLOC void stlm_window_begin(const void *base, size_t byte_count, int32_t descriptor);
/* They will be read: the system may begin to fetch them. */
STLM_NOALLOC void stlm_window_fetch(const void *base, size_t offset, size_t byte_count);
/* They have been read: from the page of the first byte to that before the last byte's, they leave this process and, where no other has them
   mapped, memory. */
STLM_NOALLOC void stlm_window_drop(const void *base, size_t offset, size_t byte_count, size_t file_byte_count, int32_t descriptor);

/* Takes the pages of the program's own code and constants out of this process, and those of the stack that no call uses now: what is run
   after this comes back, what only started it does not. */
STLM_NOALLOC void stlm_program_forget(void);
/* Takes code away that is never run again: the whole pages of it. */
STLM_NOALLOC void stlm_program_release(const void *base, size_t byte_count);

/* Zeroed pages that cost memory only when touched; 0 on failure. */
STLM_NOALLOC void *stlm_pages_reserve(size_t byte_count);
STLM_NOALLOC void stlm_pages_release(void *base, size_t byte_count);

/* Adds to a number that threads share; what it is then. */
STLM_NOALLOC int32_t stlm_count_add(int32_t *count, int32_t by);

/* Writes all of it. */
STLM_NOALLOC int32_t stlm_write(int32_t descriptor, const void *bytes, size_t byte_count);
/* Reads up to byte_count; 0 read is the end. */
STLM_NOALLOC int32_t stlm_read(int32_t descriptor, void *bytes, size_t byte_count, size_t *read_count);

/* A new file beside `path`, which stlm_file_commit syncs and renames onto `path`; stlm_file_abandon removes it.
   `temporary` holds its name: path, a dot, the process id; temporary_capacity bytes. */
STLM_NOALLOC int32_t stlm_file_begin(const char *path, char *temporary, size_t temporary_capacity, int32_t *descriptor);
STLM_NOALLOC int32_t stlm_file_commit(int32_t descriptor, const char *temporary, const char *path);
STLM_NOALLOC void stlm_file_abandon(int32_t descriptor, const char *temporary);

STLM_NOALLOC uint64_t stlm_clock_nanoseconds(void);
/* Sleeps until the clock says so, or a signal is received; it may have been received before. */
STLM_NOALLOC void stlm_sleep_until(uint64_t nanoseconds);
STLM_NOALLOC uint64_t stlm_random_seed(void);
/* Adds to the niceness of this thread and of those that it starts. */
STLM_NOALLOC int32_t stlm_nice(int32_t increment);
STLM_NOALLOC int32_t stlm_niceness(void);
STLM_NOALLOC int32_t stlm_is_terminal(int32_t descriptor);
STLM_NOALLOC const char *stlm_environment(const char *name);
STLM_NOALLOC const char *stlm_error_text(int32_t error);
/* CPUs that this process may use. */
STLM_NOALLOC uint32_t stlm_cpu_count(void);
/* Of these the fast physical cores: as many threads as are worth starting. */
STLM_NOALLOC uint32_t stlm_fast_core_count(void);
/* The same by what the files under `root`/sys say, of CPUs whose bit is set in `cpus`. */
STLM_NOALLOC uint32_t stlm_fast_core_count_under(const char *root, const uint8_t *cpus, uint32_t cpu_limit);
/* Of this process, from the system: resident now, and the most so far. */
STLM_NOALLOC void stlm_resident_bytes(uint64_t *now, uint64_t *peak);

/* SIGINT and SIGTERM set a flag (a second SIGINT ends at once); writing to a closed pipe or beyond the limit of a
   file's size is an error, not a signal. */
STLM_NOALLOC void stlm_signals_install(void);
STLM_NOALLOC int32_t stlm_signal_received(void);
STLM_NOALLOC _Noreturn void stlm_exit(int32_t status);

/* A fixed pool of threads in memory of the caller, at a multiple of 64. */
#define STLM_POOL_BYTES 5120
#define STLM_POOL_THREADS_MAX 32
typedef void (*stlm_pool_work)(void *context, size_t part);
STLM_NOALLOC int32_t stlm_pool_start(void *pool, uint32_t thread_count);
/* Runs work(context, 0 ... part_count-1), in any order, on all threads or some; returns when all are done. */
STLM_NOALLOC void stlm_pool_run(void *pool, stlm_pool_work work, void *context, size_t part_count);
/* The same in two halves, between which the caller does something else: part 0 is always its own, done in the second. Nothing else may be
   run between them. */
STLM_NOALLOC void stlm_pool_begin(void *pool, stlm_pool_work work, void *context, size_t part_count);
STLM_NOALLOC void stlm_pool_finish(void *pool);
STLM_NOALLOC void stlm_pool_stop(void *pool);

#endif
