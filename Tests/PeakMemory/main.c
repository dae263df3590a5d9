/* peak-memory FILE PROGRAM WORD...: runs a program and writes to FILE the most bytes of it that were resident at a time, as the system counts them
   when it has ended. (A process begins with what was resident of the one that became it; this one is small.) */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count < 3) return 2;
    const pid_t process = fork();
    if (process < 0) return 1;
    if (process == 0) {
        execv(words[2], words + 2);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(process, &status, 0, &usage) != process) return 1;
    FILE *file = fopen(words[1], "w");
    if (!file || fprintf(file, "%lld", (long long)usage.ru_maxrss * 1024) < 0 || fclose(file) != 0) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
