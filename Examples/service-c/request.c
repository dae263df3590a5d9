#include "request.h"
#include <string.h>

struct reader {
    char *at, *end;
    const char *error;
};

static int fail(struct reader *r, const char *error) {
    if (!r->error) r->error = error;
    return 0;
}

static const char invalid[] = "the line is no JSON object; send one object a line, such as {\\\"id\\\":1,\\\"prompt\\\":\\\"Once\\\"}";

static void skip_space(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static int take(struct reader *r, char c) {
    skip_space(r);
    if (r->at == r->end || *r->at != c) return 0;
    r->at++;
    return 1;
}

static int hex4(struct reader *r, uint32_t *value) {
    if (r->end - r->at < 4) return fail(r, invalid);
    *value = 0;
    for (int k = 0; k < 4; k++) {
        const char c = *r->at++;
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return fail(r, invalid);
        *value = *value << 4 | (uint32_t)digit;
    }
    return 1;
}

static char *put_utf8(char *to, uint32_t scalar) {
    if (scalar < 0x80) *to++ = (char)scalar;
    else if (scalar < 0x800) *to++ = (char)(0xC0 | scalar >> 6), *to++ = (char)(0x80 | (scalar & 63));
    else if (scalar < 0x10000) {
        *to++ = (char)(0xE0 | scalar >> 12), *to++ = (char)(0x80 | (scalar >> 6 & 63)), *to++ = (char)(0x80 | (scalar & 63));
    } else {
        *to++ = (char)(0xF0 | scalar >> 18), *to++ = (char)(0x80 | (scalar >> 12 & 63));
        *to++ = (char)(0x80 | (scalar >> 6 & 63)), *to++ = (char)(0x80 | (scalar & 63));
    }
    return to;
}

/* A string, decoded where it stands: an escape is never shorter than what it stands for. */
static int string(struct reader *r, char **start, size_t *byte_count) {
    if (!take(r, '"')) return fail(r, invalid);
    char *to = r->at;
    *start = to;
    while (r->at < r->end) {
        const unsigned char c = (unsigned char)*r->at++;
        if (c == '"') {
            *byte_count = (size_t)(to - *start);
            return 1;
        }
        if (c < 0x20) return fail(r, invalid);
        if (c != '\\') {
            *to++ = (char)c;
            continue;
        }
        if (r->at == r->end) break;
        const char kind = *r->at++;
        uint32_t scalar, low;
        switch (kind) {
        case '"': case '\\': case '/': *to++ = kind; break;
        case 'b': *to++ = '\b'; break;
        case 'f': *to++ = '\f'; break;
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case 'u':
            if (!hex4(r, &scalar)) return 0;
            if (scalar >= 0xD800 && scalar < 0xDC00) {
                if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u') return fail(r, invalid);
                r->at += 2;
                if (!hex4(r, &low)) return 0;
                if (low < 0xDC00 || low > 0xDFFF) return fail(r, invalid);
                scalar = 0x10000 + ((scalar - 0xD800) << 10) + (low - 0xDC00);
            } else if (scalar >= 0xDC00 && scalar < 0xE000) return fail(r, invalid);
            to = put_utf8(to, scalar);
            break;
        default: return fail(r, invalid);
        }
    }
    return fail(r, invalid);
}

static int whole(struct reader *r, uint64_t most, uint64_t *value) {
    skip_space(r);
    *value = 0;
    char *first = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        const uint64_t digit = (uint64_t)(*r->at++ - '0');
        if (*value > (UINT64_MAX - digit) / 10) return fail(r, "a number is too large");
        *value = *value * 10 + digit;
    }
    if (r->at == first || (r->at - first > 1 && *first == '0')) return fail(r, "a number is wanted: digits alone");
    return *value <= most ? 1 : fail(r, "a number is too large");
}

/* A decimal of 0 to 100, in units of 1/65,536, rounded. */
static int decimal(struct reader *r, uint32_t *value) {
    uint64_t number, fraction = 0, unit = 1;
    if (!whole(r, 100, &number)) return 0;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (r->at == r->end || *r->at < '0' || *r->at > '9') return fail(r, invalid);
        while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
            if (unit < 1000000000) fraction = fraction * 10 + (uint64_t)(*r->at - '0'), unit *= 10;
            r->at++;
        }
    }
    const uint64_t all = number * 65536 + (fraction * 65536 + unit / 2) / unit;
    if (all > 6553600) return fail(r, "the temperature is too large; give 0 to 100");
    *value = (uint32_t)all;
    return 1;
}

static int is_utf8(const unsigned char *p, const unsigned char *end) {
    while (p < end) {
        const unsigned char c = *p++;
        if (c < 0x80) continue;
        const int more = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (!more || end - p < more) return 0;
        if ((c == 0xE0 && *p < 0xA0) || (c == 0xED && *p > 0x9F) || (c == 0xF0 && *p < 0x90) || (c == 0xF4 && *p > 0x8F)) return 0;
        for (int k = 0; k < more; k++)
            if ((*p++ & 0xC0) != 0x80) return 0;
    }
    return 1;
}

static int is_name(const char *name, size_t byte_count, const char *other) {
    return strlen(other) == byte_count && memcmp(name, other, byte_count) == 0;
}

static int field(struct reader *r, struct request *request, const char *name, size_t n) {
    if (is_name(name, n, "id")) return request->has_id = whole(r, (uint64_t)1 << 53, &request->id);
    if (is_name(name, n, "prompt")) return request->has_prompt = string(r, &request->prompt, &request->prompt_bytes);
    if (is_name(name, n, "max_tokens")) return whole(r, 1000000, &request->max_tokens);
    if (is_name(name, n, "seed")) return whole(r, UINT64_MAX, &request->seed);
    if (is_name(name, n, "temperature")) return decimal(r, &request->temperature);
    if (is_name(name, n, "stop")) return string(r, &request->stop, &request->stop_bytes);
    return fail(r, "the request has a field that is not known; there are id, prompt, max_tokens, seed, temperature and stop");
}

const char *request_parse(struct request *request, char *line, size_t byte_count) {
    struct reader reader = {line, line + byte_count, 0}, *r = &reader;
    if (!is_utf8((unsigned char *)line, (unsigned char *)line + byte_count)) return "the line is not UTF-8";
    if (!take(r, '{')) return invalid;
    if (!take(r, '}')) {
        do {
            char *name;
            size_t n;
            if (!string(r, &name, &n)) return r->error;
            if (!take(r, ':')) return invalid;
            skip_space(r);
            if (!field(r, request, name, n)) return r->error;
        } while (take(r, ','));
        if (!take(r, '}')) return invalid;
    }
    skip_space(r);
    if (r->at != r->end) return invalid;
    if (!request->has_id) return "the request has no id; give a number";
    if (!request->has_prompt) return "the request has no prompt; give a string, which may be empty";
    return 0;
}

size_t json_escape(char *to, size_t room, const char *text, size_t byte_count, size_t *taken) {
    static const char hex[] = "0123456789abcdef";
    size_t count = 0, k = 0;
    for (; k < byte_count; k++) {
        const unsigned char c = (unsigned char)text[k];
        char escape = c == '"' || c == '\\' ? (char)c : c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : 0;
        if (room - count < 6) break;
        if (escape) to[count++] = '\\', to[count++] = escape;
        else if (c < 0x20 || c == 0x7F) {
            memcpy(to + count, "\\u00", 4);
            to[count + 4] = hex[c >> 4], to[count + 5] = hex[c & 15];
            count += 6;
        } else to[count++] = (char)c;
    }
    *taken = k;
    return count;
}
