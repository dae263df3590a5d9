#define _GNU_SOURCE
#include "stlm_platform.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(EFBIG == STLM_TOO_LARGE, "what the header says");

/* Of an open file: how many bytes it has, if they can be mapped. */
static int32_t find_size(int32_t descriptor, size_t *byte_count) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return errno;
    if (S_ISDIR(status.st_mode)) return EISDIR;
    if (!S_ISREG(status.st_mode) || status.st_size == 0) return EINVAL;
    if ((uint64_t)status.st_size > PTRDIFF_MAX) return EFBIG;
    *byte_count = (size_t)status.st_size;
    return 0;
}

int32_t stlm_file_open(const char *path, size_t *byte_count, int32_t *descriptor) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno;
    const int32_t error = find_size(file, byte_count);
    if (error) close(file);
    else *descriptor = file;
    return error;
}

void stlm_file_close(int32_t descriptor) { close(descriptor); }

int32_t stlm_descriptor_map(int32_t descriptor, const void **base, size_t *byte_count) {
    const int32_t error = find_size(descriptor, byte_count);
    if (error) return error;
    void *p = mmap(0, *byte_count, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (p == MAP_FAILED) return errno;
    *base = p;
    return 0;
}

int32_t stlm_file_map(const char *path, const void **base, size_t *byte_count, int32_t *descriptor) {
    int32_t file;
    int32_t error = stlm_file_open(path, byte_count, &file);
    if (error) return error;
    error = stlm_descriptor_map(file, base, byte_count);
    if (!error && descriptor) *descriptor = file;
    if (error || !descriptor) close(file);
    return error;
}

void stlm_file_unmap(const void *base, size_t byte_count, int32_t descriptor) {
    munmap((void *)base, byte_count);
    if (descriptor >= 0) close(descriptor);
}

void stlm_file_forget(const void *base, size_t byte_count) { madvise((void *)base, byte_count, MADV_DONTNEED); }

void stlm_window_begin(const void *base, size_t byte_count, int32_t descriptor) {
    stlm_file_forget(base, byte_count);
    if (descriptor >= 0) posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    madvise((void *)base, byte_count, MADV_RANDOM);
#ifdef MADV_NOHUGEPAGE
    madvise((void *)base, byte_count, MADV_NOHUGEPAGE);
#endif
}

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void stlm_window_fetch(const void *base, size_t offset, size_t byte_count) {
    const size_t page = page_size(), start = offset / page * page;
    madvise((char *)base + start, offset + byte_count - start, MADV_WILLNEED);
}

/* What a fault maps at most besides its own page, where it is in memory. */
#define FAULT_BYTES (2 << 20)

void stlm_window_drop(const void *base, size_t offset, size_t byte_count, size_t file_byte_count, int32_t descriptor) {
    const size_t page = page_size(), around = page > FAULT_BYTES ? page : FAULT_BYTES;
    const size_t start = offset / page * page, end = (offset + byte_count) / page * page;
    if (start == end) return;
    /* Neighbours that were mapped with them come back without being read, if they are wanted. */
    const size_t first = start / around * around, last = (end + around - 1) / around * around;
    madvise((char *)base + first, (last < file_byte_count ? last : file_byte_count) - first, MADV_DONTNEED);
    if (descriptor >= 0) posix_fadvise(descriptor, (off_t)start, (off_t)(end - start), POSIX_FADV_DONTNEED);
}

/* The linker's names for where the program begins and where its code ends, which its data follow. */
extern const char __executable_start[], etext[];

void stlm_program_forget(void) {
    const uintptr_t page = page_size(), start = (uintptr_t)__executable_start / page * page, end = (uintptr_t)etext / page * page;
    if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    /* What deeper calls left of the stack; far less than the gap that the system keeps below it. */
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0) / page * page - page;
    madvise((void *)(here - (128 << 10) / page * page), (128 << 10) / page * page, MADV_DONTNEED);
}

void stlm_program_release(const void *base, size_t byte_count) {
    const uintptr_t page = page_size(), start = ((uintptr_t)base + page - 1) / page * page, end = ((uintptr_t)base + byte_count) / page * page;
    if (start < end) munmap((void *)start, end - start);
}

void *stlm_pages_reserve(size_t byte_count) {
    void *p = mmap(0, byte_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? 0 : p;
}

void stlm_pages_release(void *base, size_t byte_count) { munmap(base, byte_count); }

int32_t stlm_write(int32_t descriptor, const void *bytes, size_t byte_count) {
    const char *p = bytes;
    while (byte_count > 0) {
        const ssize_t n = write(descriptor, p, byte_count);
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        p += n;
        byte_count -= (size_t)n;
    }
    return 0;
}

int32_t stlm_read(int32_t descriptor, void *bytes, size_t byte_count, size_t *read_count) {
    for (;;) {
        const ssize_t n = read(descriptor, bytes, byte_count);
        if (n >= 0) {
            *read_count = (size_t)n;
            return 0;
        }
        if (errno != EINTR) return errno;
    }
}

/* Appends to a name; 0 if it does not fit. */
static size_t append(char *name, size_t count, size_t capacity, const char *text) {
    const size_t n = strlen(text);
    if (count + n + 1 > capacity) return 0;
    memcpy(name + count, text, n + 1);
    return count + n;
}

int32_t stlm_file_begin(const char *path, char *temporary, size_t temporary_capacity, int32_t *descriptor) {
    char digits[16];
    size_t k = sizeof digits - 1;
    unsigned long id = (unsigned long)getpid();
    digits[k] = 0;
    do digits[--k] = (char)('0' + id % 10);
    while (id /= 10);
    size_t count = append(temporary, 0, temporary_capacity, path);
    if (count) count = append(temporary, count, temporary_capacity, ".tmp.");
    if (count) count = append(temporary, count, temporary_capacity, digits + k);
    if (!count) return ENAMETOOLONG;
    struct stat status;
    /* A rename would put a file in the place of a device. */
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) return S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    const int d = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (d < 0) return errno;
    *descriptor = d;
    return 0;
}

int32_t stlm_file_commit(int32_t descriptor, const char *temporary, const char *path) {
    int error = 0;
    if (fsync(descriptor) != 0) error = errno;
    if (close(descriptor) != 0 && !error) error = errno;
    if (!error && rename(temporary, path) != 0) error = errno;
    if (error) {
        unlink(temporary);
        return error;
    }
    /* The new name is durable once the folder is synced; a folder that cannot be synced is no reason to fail. */
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (slash && n == 0) n = 1;
    if (n < sizeof folder) {
        memcpy(folder, slash ? path : ".", slash ? n : 1);
        folder[slash ? n : 1] = 0;
        const int d = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d >= 0) {
            fsync(d);
            close(d);
        }
    }
    return 0;
}

void stlm_file_abandon(int32_t descriptor, const char *temporary) {
    close(descriptor);
    unlink(temporary);
}
