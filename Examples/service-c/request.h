/* One request of a line: a flat JSON object. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stddef.h>
#include <stdint.h>

struct request {
    uint64_t id;
    int has_id, has_prompt;
    char *prompt; /* in the line */
    size_t prompt_bytes;
    uint64_t max_tokens, seed;
    uint32_t temperature; /* units of 1/65,536 */
    char *stop;           /* in the line, or 0 */
    size_t stop_bytes;
};

/* Reads a line, in which strings are decoded in place. 0, or what is wrong in one sentence; the id is there if it came before that. */
const char *request_parse(struct request *request, char *line, size_t byte_count);

/* Writes text between quotes into a JSON string, as much as fits; the bytes written, and in *taken those of the text that were taken. */
size_t json_escape(char *to, size_t room, const char *text, size_t byte_count, size_t *taken);

#endif
