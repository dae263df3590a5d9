/* A service that answers prompts on a Unix socket: README.md. One thread, one arena, nothing allocated after the start. */
#define _GNU_SOURCE
#include "request.h"
#include "stlm.h"
#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define REQUEST_BYTES 8192  /* of a line, at most */
#define OUTPUT_BYTES 8192   /* that wait for a client */
#define LINE_BYTES 6144     /* of an answer's line, at most: all text of a step */
#define STALL_SECONDS 30    /* a client that reads nothing for so long is left */

struct client {
    int descriptor; /* -1 for none */
    int is_reading; /* 0 once it has closed its end */
    int is_skipping; /* the rest of a line that is too long */
    int is_active;  /* its first line is a request that is being answered */
    size_t line_bytes;
    stlm_session *session; /* 0 as long as it waits for one */
    struct request request;
    uint64_t tokens;
    uint64_t stalled_since; /* 0 if it reads */
    size_t in_count, out_start, out_count;
    char in[REQUEST_BYTES], out[OUTPUT_BYTES];
};

static struct client *clients;
static stlm_session **free_sessions;
static size_t free_count;
static stlm_model *model;
static struct stlm_options options;
static volatile sig_atomic_t is_stopping;

static void stop(int number) { (void)number, is_stopping = 1; }

static void die(const char *what, const char *why) {
    fprintf(stderr, "service: %s: %s\n", what, why);
    exit(1);
}

static uint64_t milliseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- Output: what does not fit is not made; a client that does not read is not worked for. ---- */

static void flush(struct client *c) {
    while (c->out_count > 0) {
        const ssize_t n = send(c->descriptor, c->out + c->out_start, c->out_count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0) {
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) c->is_reading = -1;
            else if (!c->stalled_since) c->stalled_since = milliseconds();
            return;
        }
        c->out_start += (size_t)n, c->out_count -= (size_t)n, c->stalled_since = 0;
    }
    c->out_start = 0;
}

static size_t room(struct client *c) {
    if (c->out_start > 0) memmove(c->out, c->out + c->out_start, c->out_count), c->out_start = 0;
    return OUTPUT_BYTES - c->out_count;
}

static void put(struct client *c, const char *text) {
    const size_t n = strlen(text);
    if (n <= room(c)) memcpy(c->out + c->out_count, text, n), c->out_count += n;
}

/* {"id":1,"key":"text"} and, for a last line, "tokens". */
static void put_line(struct client *c, const char *key, const char *text, size_t byte_count, int is_last) {
    char head[64];
    size_t taken;
    if (c->request.has_id) snprintf(head, sizeof head, "{\"id\":%llu,\"%s\":\"", (unsigned long long)c->request.id, key);
    else snprintf(head, sizeof head, "{\"id\":null,\"%s\":\"", key);
    put(c, head);
    const size_t most = room(c) > 64 ? room(c) - 64 : 0;
    c->out_count += json_escape(c->out + c->out_count, most, text, byte_count, &taken);
    /* LINE_BYTES is more than a step gives; what breaks that rule ends the connection and is not cut in silence. */
    if (taken < byte_count) c->is_reading = -1;
    if (is_last) snprintf(head, sizeof head, "\",\"tokens\":%llu}\n", (unsigned long long)c->tokens);
    put(c, is_last ? head : "\"}\n");
}

static void put_error(struct client *c, const char *sentence) {
    /* The sentences of this program are escaped already. */
    char head[48];
    if (c->request.has_id) snprintf(head, sizeof head, "{\"id\":%llu,\"error\":\"", (unsigned long long)c->request.id);
    else snprintf(head, sizeof head, "{\"id\":null,\"error\":\"");
    put(c, head), put(c, sentence), put(c, "\"}\n");
}

/* ---- Requests ---- */

static void give_back(struct client *c) {
    if (c->session) stlm_reset(c->session), free_sessions[free_count++] = c->session;
    c->session = 0;
}

/* The first line is done with. */
static void end_request(struct client *c) {
    give_back(c);
    memmove(c->in, c->in + c->line_bytes, c->in_count - c->line_bytes);
    c->in_count -= c->line_bytes;
    c->is_active = 0, c->line_bytes = 0;
}

/* Takes the next line, if it is there and its answer has room. */
static void take_line(struct client *c) {
    while (!c->is_active && room(c) >= LINE_BYTES) {
        char *newline = memchr(c->in, '\n', c->in_count);
        memset(&c->request, 0, sizeof c->request);
        if (c->is_skipping) {
            c->line_bytes = newline ? (size_t)(newline - c->in) + 1 : c->in_count;
            c->is_skipping = !newline;
            end_request(c);
            if (!newline) return;
            continue;
        }
        if (!newline) {
            if (c->in_count < REQUEST_BYTES) return;
            put_error(c, "the request is too long; send at most 8191 bytes a line");
            c->is_skipping = 1;
            continue;
        }
        c->line_bytes = (size_t)(newline - c->in) + 1;
        c->request.max_tokens = 200, c->request.temperature = options.sampling.temperature;
        const char *error = request_parse(&c->request, c->in, c->line_bytes - 1);
        if (error) {
            put_error(c, error);
            end_request(c);
            continue;
        }
        c->is_active = 1, c->tokens = 0;
    }
}

static void begin(struct client *c) {
    c->session = free_sessions[--free_count];
    struct stlm_sampling sampling = options.sampling;
    sampling.temperature = c->request.temperature;
    stlm_clear_stops(c->session);
    stlm_set_seed(c->session, c->request.seed);
    stlm_set_limits(c->session, c->request.max_tokens, UINT64_MAX);
    int32_t status = stlm_set_sampling(c->session, &sampling);
    if (status >= 0 && c->request.stop) status = stlm_add_stop(c->session, c->request.stop, c->request.stop_bytes);
    if (status >= 0) status = stlm_prompt(c->session, c->request.prompt, c->request.prompt_bytes);
    if (status < 0) {
        const char *sentence = stlm_session_error(c->session);
        put_line(c, "error", sentence, strlen(sentence), 0);
        end_request(c);
    }
}

/* One step of a client's answer. */
static void work(struct client *c) {
    static const char *const endings[] = {"", "end", "stop", "tokens", "bytes", "context", "", "", "error"};
    const int32_t status = stlm_step(c->session);
    const char *text;
    size_t byte_count;
    if (status < 0) {
        const char *sentence = stlm_session_error(c->session);
        put_line(c, "error", sentence, strlen(sentence), 0);
        end_request(c);
        return;
    }
    if (status == STLM_TOKEN) c->tokens++;
    stlm_get_text(c->session, &text, &byte_count);
    if (byte_count > 0) put_line(c, "text", text, byte_count, 0);
    if (status == STLM_ENDED) {
        struct stlm_progress progress;
        stlm_get_progress(c->session, &progress);
        const char *ending = endings[progress.ending];
        put_line(c, "done", ending, strlen(ending), 1);
        end_request(c);
    }
}

static int can_work(struct client *c) { return c->is_active && c->session && room(c) >= LINE_BYTES; }

/* ---- Clients ---- */

static void leave(struct client *c) {
    give_back(c);
    close(c->descriptor);
    c->descriptor = -1;
}

static void accept_client(int listener) {
    const int descriptor = accept4(listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) return;
    for (size_t k = 0; k < CLIENTS_MAX; k++) {
        struct client *c = &clients[k];
        if (c->descriptor >= 0) continue;
        memset(c, 0, offsetof(struct client, in));
        c->descriptor = descriptor, c->is_reading = 1;
        return;
    }
    static const char full[] = "{\"id\":null,\"error\":\"the service has as many clients as it can have; try again later\"}\n";
    if (send(descriptor, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {}
    close(descriptor);
}

static void read_client(struct client *c) {
    const ssize_t n = recv(c->descriptor, c->in + c->in_count, REQUEST_BYTES - c->in_count, MSG_DONTWAIT);
    if (n > 0) c->in_count += (size_t)n;
    else if (n == 0) c->is_reading = 0;
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) c->is_reading = -1;
}

/* True if nothing is left to do for it. */
static int is_done(struct client *c, uint64_t now) {
    if (c->is_reading < 0 || (c->stalled_since && now - c->stalled_since > STALL_SECONDS * 1000)) return 1;
    return c->is_reading == 0 && !c->is_active && c->out_count == 0 && !memchr(c->in, '\n', c->in_count);
}

static void serve(int listener) {
    struct pollfd polls[CLIENTS_MAX + 1];
    size_t next = 0;
    sigset_t none;
    sigemptyset(&none);
    while (!is_stopping) {
        int is_busy = 0;
        polls[CLIENTS_MAX] = (struct pollfd){listener, POLLIN, 0};
        for (size_t k = 0; k < CLIENTS_MAX; k++) {
            struct client *c = &clients[k];
            const int reads = c->is_reading > 0 && c->in_count < REQUEST_BYTES;
            polls[k] = (struct pollfd){c->descriptor, (short)((reads ? POLLIN : 0) | (c->out_count > 0 ? POLLOUT : 0)), 0};
            if (c->descriptor >= 0 && (can_work(c) || (c->is_active && !c->session && free_count > 0))) is_busy = 1;
        }
        const int wait = supervisor_wait(1000);
        const struct timespec time = {is_busy ? 0 : wait / 1000, is_busy ? 0 : wait % 1000 * 1000000};
        if (ppoll(polls, CLIENTS_MAX + 1, &time, &none) > 0) {
            if (polls[CLIENTS_MAX].revents) accept_client(listener);
            for (size_t k = 0; k < CLIENTS_MAX; k++) {
                if (clients[k].descriptor != polls[k].fd || polls[k].fd < 0) continue;
                if (polls[k].revents & POLLIN) read_client(&clients[k]);
                if (polls[k].revents & (POLLERR | POLLHUP | POLLNVAL) && !(polls[k].revents & POLLIN)) clients[k].is_reading = -1;
            }
        }
        supervisor_alive();
        const uint64_t now = milliseconds();
        for (size_t k = 0; k < CLIENTS_MAX; k++) {
            struct client *c = &clients[k];
            if (c->descriptor < 0) continue;
            take_line(c);
            if (c->is_active && !c->session && free_count > 0) begin(c);
            if (c->out_count > 0) flush(c);
            if (is_done(c, now)) leave(c);
        }
        /* One step for one client, then the next one's turn. */
        for (size_t k = 0; k < CLIENTS_MAX; k++) {
            struct client *c = &clients[(next + k) % CLIENTS_MAX];
            if (c->descriptor < 0 || !can_work(c)) continue;
            work(c);
            flush(c);
            next = (next + k + 1) % CLIENTS_MAX;
            break;
        }
    }
}

/* Tells every client and gives what waits one second to go out. */
static void say_goodbye(void) {
    const uint64_t end = milliseconds() + 1000;
    for (size_t k = 0; k < CLIENTS_MAX; k++) {
        struct client *c = &clients[k];
        if (c->descriptor < 0) continue;
        if (!c->is_active) memset(&c->request, 0, sizeof c->request);
        put_error(c, "the service stops; ask again later");
    }
    for (;;) {
        struct pollfd polls[CLIENTS_MAX];
        size_t waiting = 0;
        for (size_t k = 0; k < CLIENTS_MAX; k++) {
            struct client *c = &clients[k];
            if (c->descriptor >= 0) flush(c);
            const int waits = c->descriptor >= 0 && c->out_count > 0 && c->is_reading >= 0;
            polls[k] = (struct pollfd){waits ? c->descriptor : -1, POLLOUT, 0};
            waiting += waits;
        }
        const uint64_t now = milliseconds();
        if (waiting == 0 || now >= end || poll(polls, CLIENTS_MAX, (int)(end - now)) == 0) break;
    }
    for (size_t k = 0; k < CLIENTS_MAX; k++)
        if (clients[k].descriptor >= 0) leave(&clients[k]);
}

/* ---- The start ---- */

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die(path, "the path of the socket is too long");
    strcpy(address.sun_path, path);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) die(path, strerror(errno));
    return listener;
}

static size_t rounded(size_t byte_count) { return (byte_count + 63) / 64 * 64; }

int main(int count, char **words) {
    const size_t session_count = count > 3 ? strtoul(words[3], 0, 10) : 2;
    if (count < 3 || count > 5 || session_count < 1 || session_count > CLIENTS_MAX) {
        fputs("usage: service MODEL SOCKET [SESSIONS [CONTEXT]]; 1 to 64 sessions, 2 where nothing is said\n", stderr);
        return 2;
    }
    /* Signals come between steps only. */
    struct sigaction action = {.sa_handler = stop};
    sigset_t blocked;
    sigemptyset(&blocked), sigaddset(&blocked, SIGTERM), sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, 0);
    sigaction(SIGTERM, &action, 0), sigaction(SIGINT, &action, 0);

    static _Alignas(STLM_ALIGNMENT) char model_memory[4096];
    if (stlm_model_bytes() > sizeof model_memory) die("model", "this program is older than its library; compile it again");
    if (stlm_model_open(model_memory, sizeof model_memory, words[1], &model) < 0) die("model", stlm_model_error(model));
    if (stlm_options_default(model, &options) < 0) die("model", stlm_model_error(model));
    options.context = count > 4 ? (uint32_t)strtoul(words[4], 0, 10) : 0;
    options.flags = STLM_SLIDES;
    const size_t session_bytes = rounded(stlm_session_bytes(model, &options)), client_bytes = rounded(CLIENTS_MAX * sizeof *clients);
    if (session_bytes == 0) die("session", stlm_model_error(model));
    const size_t arena_bytes = client_bytes + session_count * (session_bytes + sizeof *free_sessions);
    char *arena = mmap(0, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED) die("memory", strerror(errno));
    clients = (struct client *)arena;
    free_sessions = (stlm_session **)(void *)(arena + client_bytes + session_count * session_bytes);
    for (size_t k = 0; k < CLIENTS_MAX; k++) clients[k].descriptor = -1;
    for (; free_count < session_count; free_count++) {
        char *memory = arena + client_bytes + free_count * session_bytes;
        if (stlm_session_open(model, &options, memory, session_bytes, &free_sessions[free_count]) < 0) die("session", stlm_model_error(model));
    }

    const int given = supervisor_listener();
    const int listener = given >= 0 ? given : listen_at(words[2]);
    supervisor_ready();
    fprintf(stderr, "service: %zu sessions, %zu bytes of memory besides the model file\n", session_count, arena_bytes);
    serve(listener);
    supervisor_stopping();
    say_goodbye();
    close(listener);
    if (given < 0) unlink(words[2]);
    while (free_count > 0) stlm_session_close(free_sessions[--free_count]);
    return stlm_model_close(model) < 0;
}
