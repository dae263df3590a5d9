#define _GNU_SOURCE
#include "check.h"
#include "stlm.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static enum check complain(const char *name, const char *sentence, enum check check) {
    fprintf(stderr, "update: %s: %s\n", name, sentence);
    return check;
}

static enum check check_descriptor(int descriptor, const char *name) {
    static _Alignas(STLM_ALIGNMENT) char model_memory[4096];
    stlm_model *model;
    const int32_t opened = stlm_model_open_descriptor(model_memory, sizeof model_memory, descriptor, &model);
    /* An empty file cannot be mapped. */
    if (opened < 0) return complain(name, opened == STLM_TOO_SMALL ? stlm_status_text(opened) : stlm_model_error(model),
        opened == STLM_BAD_MODEL || opened == STLM_NO_FILE ? CHECK_WRONG : CHECK_IMPOSSIBLE);
    const size_t bytes = stlm_self_check_bytes(model);
    if (bytes == 0) return complain(name, stlm_model_error(model), CHECK_WRONG);
    void *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return complain(name, "there is no memory for its self-check", CHECK_IMPOSSIBLE);
    uint32_t step = 0;
    int32_t status;
    while ((status = stlm_self_check(model, memory, bytes, &step)) == STLM_WORKING) {}
    return status == STLM_OK ? CHECK_RIGHT : complain(name, stlm_model_error(model), CHECK_WRONG);
}

/* In a process of its own: what cannot be read from the medium ends it with SIGBUS, and no service. */
enum check check_model(int directory, const char *name) {
    const int descriptor = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return complain(name, strerror(errno), errno == ENOENT || errno == EIO ? CHECK_WRONG : CHECK_IMPOSSIBLE);
    const pid_t child = fork();
    if (child == 0) {
        /* An update's lock ends with the update. */
        close(directory);
        _exit(check_descriptor(descriptor, name));
    }
    close(descriptor);
    int status = 0;
    if (child < 0) return complain(name, strerror(errno), CHECK_IMPOSSIBLE);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status)) return (enum check)WEXITSTATUS(status);
    /* A process is killed for others' memory too. */
    return complain(name, "its self-check was ended by a signal", WTERMSIG(status) == SIGKILL ? CHECK_IMPOSSIBLE : CHECK_WRONG);
}
