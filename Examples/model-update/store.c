/* The names are the whole state, so that each step is one rename, which happens or does not:
     7.stlm           confirmed
     8.trial-2.stlm   newer, on trial, started twice
     new.tmp          being written
   Files are never written in place or cut: a service may have them mapped. */
#define _GNU_SOURCE
#include "store.h"
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NAME_BYTES 48
#define MODELS_MAX 64
#define NEW_NAME "new.tmp"
#define NEWEST 999999999u

struct entry {
    unsigned number;
    int starts; /* -1 of a confirmed one */
};

static int complain(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("update: ", stderr), vfprintf(stderr, format, values), fputc('\n', stderr);
    va_end(values);
    return -1;
}

static void write_name(struct entry e, char *name) {
    if (e.starts < 0) snprintf(name, NAME_BYTES, "%u.stlm", e.number);
    else snprintf(name, NAME_BYTES, "%u.trial-%d.stlm", e.number, e.starts);
}

/* What a name says; 0 if it is none of a model here. */
static int read_name(const char *name, struct entry *e) {
    char same[NAME_BYTES];
    if (sscanf(name, "%9u.trial-%9d.stlm", &e->number, &e->starts) != 2) e->number = (unsigned)strtoul(name, 0, 10), e->starts = -1;
    write_name(*e, same);
    return strcmp(name, same) == 0;
}

static int is_newer(const void *a, const void *b) {
    const struct entry *first = a, *second = b;
    return first->number < second->number ? 1 : first->number > second->number ? -1 : first->starts - second->starts;
}

/* The models that are there, the newest first; -1 after an error. */
static int list(int directory, struct entry entries[MODELS_MAX]) {
    const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = own < 0 ? 0 : fdopendir(own);
    if (!names) return complain("the directory cannot be read (%s)", strerror(errno));
    int count = 0;
    for (struct dirent *e; (e = readdir(names)) && count < MODELS_MAX;) count += read_name(e->d_name, &entries[count]);
    closedir(names);
    qsort(entries, (size_t)count, sizeof *entries, is_newer);
    return count;
}

static int open_directory(const char *path) {
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) complain("%s is no directory that can be opened (%s); make it first", path, strerror(errno));
    return directory;
}

/* A rename that a power cut does not undo. errno is kept. */
static int rename_durably(int directory, const char *from, const char *to) {
    return renameat(directory, from, directory, to) != 0 || fsync(directory) != 0 ? -1 : 0;
}

static enum check check_entry(int directory, struct entry e) {
    char name[NAME_BYTES];
    write_name(e, name);
    return check_model(directory, name);
}

static void remove_entry(int directory, struct entry e) {
    char name[NAME_BYTES];
    write_name(e, name);
    unlinkat(directory, name, 0);
}

/* ---- Update ---- */

/* Copies a file to NEW_NAME, on the medium when it returns. */
static int copy(const char *file, int directory) {
    static char buffer[256 << 10];
    const int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0) return complain("%s cannot be opened (%s); check the path", file, strerror(errno));
    /* Never written in place: what an earlier update left is removed. */
    unlinkat(directory, NEW_NAME, 0);
    const int to = openat(directory, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int error = to < 0 ? errno : 0;
    while (!error) {
        const ssize_t count = read(from, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) {
            if (count < 0) error = errno;
            break;
        }
        for (ssize_t done = 0; !error && done < count;) {
            const ssize_t n = write(to, buffer + done, (size_t)(count - done));
            if (n >= 0) done += n;
            else if (errno != EINTR) error = errno;
        }
    }
    if (!error && fsync(to) != 0) error = errno;
    /* What is checked next comes from the medium, as it will after a restart. */
    if (!error) posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
    if (to >= 0 && close(to) != 0 && !error) error = errno;
    close(from);
    return error ? complain("%s cannot be copied (%s); nothing is changed", file, strerror(error)) : 0;
}

/* The model to fall back to: the newest confirmed one that is right, or as long as there is none the newest other. -1 for none. */
static int find_kept(int directory, const struct entry *entries, int count) {
    for (int on_trial = 0; on_trial <= 1; on_trial++)
        for (int k = 0; k < count; k++)
            if ((entries[k].starts >= 0) == on_trial && check_entry(directory, entries[k]) == CHECK_RIGHT) return k;
    return -1;
}

static int install(const char *file, int directory) {
    struct entry entries[MODELS_MAX];
    char name[NAME_BYTES];
    if (copy(file, directory) != 0) return -1;
    if (check_model(directory, NEW_NAME) != CHECK_RIGHT) return complain("%s is refused; nothing is changed", file);
    const int count = list(directory, entries), kept = count < 0 ? -1 : find_kept(directory, entries, count);
    if (count < 0) return -1;
    const struct entry new = {count > 0 ? entries[0].number + 1 : 1, 0};
    if (new.number > NEWEST) return complain("the numbers of models are used up; begin with an empty directory");
    write_name(new, name);
    if (rename_durably(directory, NEW_NAME, name) != 0) return complain("%s cannot be made (%s)", name, strerror(errno));
    for (int k = 0; k < count; k++)
        if (k != kept) remove_entry(directory, entries[k]);
    return 0;
}

int store_update(const char *file, const char *path) {
    const int directory = open_directory(path);
    if (directory < 0) return -1;
    int status = -1;
    if (flock(directory, LOCK_EX | LOCK_NB) != 0) complain("another update of %s is under way; wait until it ends", path);
    else if ((status = install(file, directory)) != 0) unlinkat(directory, NEW_NAME, 0);
    close(directory);
    return status;
}

/* ---- Start: without the lock, so that nothing holds it up. What an update removes meanwhile is looked for anew. ---- */

/* The entry to serve, after its start is counted; -1 if none can be. */
static int choose(int directory, struct entry *entries, int count) {
    char name[NAME_BYTES], counted[NAME_BYTES];
    /* What was given up is better than nothing. */
    for (int given_up = 0; given_up <= 1; given_up++) {
        for (int k = 0; k < count; k++) {
            struct entry *e = &entries[k];
            if ((e->starts >= STORE_STARTS) != given_up) {
                if (!given_up) complain("model %u was started %d times and never confirmed", e->number, STORE_STARTS);
                continue;
            }
            if (e->starts >= 0 && !given_up) {
                /* Counted before it is looked at: whatever it does to this computer counts. */
                write_name(*e, name), e->starts++, write_name(*e, counted);
                if (rename_durably(directory, name, counted) != 0) {
                    if (errno == ENOENT) return choose(directory, entries, list(directory, entries));
                    return complain("%s cannot be renamed (%s)", name, strerror(errno));
                }
            }
            const enum check check = check_entry(directory, *e);
            if (check == CHECK_IMPOSSIBLE) return -1;
            if (check == CHECK_WRONG) continue;
            for (int newer = 0; newer < k; newer++)
                if (entries[newer].starts >= 0) remove_entry(directory, entries[newer]);
            if (k > 0) complain("model %u is used in place of model %u", e->number, entries[0].number);
            return k;
        }
    }
    return complain("there is no model that works; put one there: update NEW.stlm DIRECTORY");
}

int store_start(const char *path, char *model, size_t capacity) {
    struct entry entries[MODELS_MAX];
    char name[NAME_BYTES];
    const int directory = open_directory(path);
    if (directory < 0) return -1;
    const int count = list(directory, entries), chosen = count < 0 ? -1 : choose(directory, entries, count);
    close(directory);
    if (chosen < 0) return -1;
    write_name(entries[chosen], name);
    if ((size_t)snprintf(model, capacity, "%s/%s", path, name) >= capacity) return complain("%s is too long a path", path);
    return 0;
}

int store_confirm(const char *path) {
    struct entry entries[MODELS_MAX];
    char trial[NAME_BYTES], confirmed[NAME_BYTES];
    const int directory = open_directory(path);
    if (directory < 0) return -1;
    const int count = list(directory, entries);
    int status = count < 0 ? -1 : 0;
    for (int k = 0; k < count; k++) {
        if (entries[k].starts < 1) continue;
        write_name(entries[k], trial), entries[k].starts = -1, write_name(entries[k], confirmed);
        /* An update may have removed it, for a newer one. */
        if (rename_durably(directory, trial, confirmed) != 0 && errno != ENOENT) status = complain("%s cannot be renamed (%s)", trial, strerror(errno));
        break;
    }
    close(directory);
    return status;
}
