/* Preloaded into a program (LD_PRELOAD), it counts the calls that change a directory or what is on the medium, notes them, and cuts the power:
     CUT_LOG=FILE    a line for each call that was made: open, write, fsync, rename or unlink, with names; the directory is "."
     CUT_AT=N        the process ends before call N
     CUT_FAIL=N      call N fails: the disk is full
     CUT_DROP=N      the Nth fsync does nothing, and says that it did
     CUT_ROTS=NAME   the file of that name cannot be read where it is mapped: a signal comes
   What it does not know ends the process with 99: nothing changes unseen. A program that is begun by exec is left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int calls, fsyncs, log_descriptor = -1;
static char names[256][64];

static int asked(const char *variable) {
    const char *word = getenv(variable);
    return word ? atoi(word) : 0;
}

/* Before a call: it does not come to it, or fails. */
static int is_cut(void) {
    calls++;
    if (asked("CUT_AT") == calls) _exit(137);
    if (asked("CUT_FAIL") != calls) return 0;
    errno = ENOSPC;
    return 1;
}

static void note(const char *format, ...) {
    char line[256];
    va_list values;
    va_start(values, format);
    const int count = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (!getenv("CUT_LOG")) return;
    if (log_descriptor < 0) log_descriptor = REAL(open)(getenv("CUT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (REAL(write)(log_descriptor, line, (size_t)count) != count) _exit(98);
}

static void name(int descriptor, const char *path) {
    if (descriptor >= 0 && descriptor < 256) snprintf(names[descriptor], sizeof names[0], "%s", path);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    /* Files are made new; nothing is opened to be changed. */
    const int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && (flags & (O_CREAT | O_EXCL | O_TRUNC)) != (O_CREAT | O_EXCL)) _exit(99);
    if (writes && is_cut()) return -1;
    const int descriptor = REAL(openat)(folder, path, flags, mode);
    if (writes && descriptor >= 0) note("open %s\n", path);
    name(descriptor, flags & O_DIRECTORY ? "." : path);
    return descriptor;
}

static mode_t mode_of(int flags, va_list values) { return flags & O_CREAT ? (mode_t)va_arg(values, int) : 0; }

int open(const char *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    const mode_t mode = mode_of(flags, values);
    va_end(values);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    const mode_t mode = mode_of(flags, values);
    va_end(values);
    return opened(folder, path, flags, mode);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    if (descriptor <= 2) return REAL(write)(descriptor, bytes, count);
    if (is_cut()) return -1;
    const ssize_t n = REAL(write)(descriptor, bytes, count);
    if (n > 0) note("write %s %zd\n", names[descriptor], n);
    return n;
}

int fsync(int descriptor) {
    if (is_cut()) return -1;
    if (asked("CUT_DROP") == ++fsyncs) return 0;
    const int status = REAL(fsync)(descriptor);
    if (status == 0) note("fsync %s\n", names[descriptor]);
    return status;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    if (is_cut()) return -1;
    const int status = REAL(renameat)(from_folder, from, to_folder, to);
    if (status == 0) note("rename %s %s\n", from, to);
    return status;
}

int unlinkat(int folder, const char *path, int flags) {
    if (is_cut()) return -1;
    const int status = REAL(unlinkat)(folder, path, flags);
    if (status == 0) note("unlink %s\n", path);
    return status;
}

void *mmap(void *address, size_t count, int protection, int flags, int descriptor, off_t offset) {
    const char *rots = getenv("CUT_ROTS");
    if (rots && descriptor >= 0 && descriptor < 256 && strcmp(names[descriptor], rots) == 0) protection = PROT_NONE;
    return REAL(mmap)(address, count, protection, flags, descriptor, offset);
}

int execvp(const char *file, char *const words[]) {
    unsetenv("LD_PRELOAD");
    return REAL(execvp)(file, words);
}

#define UNKNOWN(name)                            \
    void unknown_##name(void) __asm__(#name);    \
    void unknown_##name(void) { _exit(99); }
UNKNOWN(pwrite) UNKNOWN(writev) UNKNOWN(fdatasync) UNKNOWN(rename) UNKNOWN(renameat2) UNKNOWN(unlink) UNKNOWN(remove)
UNKNOWN(rmdir) UNKNOWN(link) UNKNOWN(linkat) UNKNOWN(symlink) UNKNOWN(symlinkat) UNKNOWN(mkdir) UNKNOWN(mkdirat)
UNKNOWN(truncate) UNKNOWN(ftruncate) UNKNOWN(fallocate) UNKNOWN(posix_fallocate) UNKNOWN(copy_file_range) UNKNOWN(sendfile) UNKNOWN(creat)
