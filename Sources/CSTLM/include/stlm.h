/* STLM for C: super tiny language models in integers, without an allocation. The contract is Formats/c-abi-1.md.

   Models and sessions lie in memory of the caller, at a multiple of STLM_ALIGNMENT, of a size that is known before. Nothing is allocated,
   printed or kept elsewhere; no signal is touched. Functions that return int32_t give one of the codes below, negative for an error; whose
   sentence is then in the object: stlm_session_error, stlm_model_error. One thread at a time may be in an object; the exception is
   stlm_cancel. */
#ifndef STLM_H
#define STLM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STLM_ABI_VERSION 1
#define STLM_ALIGNMENT 64

typedef struct stlm_model stlm_model;
typedef struct stlm_session stlm_session;

/* What functions return. */
#define STLM_OK 0
#define STLM_WORKING 1 /* stlm_step: there is more to do, nothing new to read */
#define STLM_TOKEN 2   /* stlm_step: a token or block was drawn; its text may be held back */
#define STLM_ENDED 3   /* stlm_step: nothing more to do; stlm_get_progress says why */

#define STLM_NULL_POINTER (-1)
#define STLM_TOO_SMALL (-2)
#define STLM_MISALIGNED (-3)
#define STLM_NOT_OPEN (-4)
#define STLM_BUSY (-5)
#define STLM_WRONG_ORDER (-6)
#define STLM_SESSIONS_OPEN (-7)
#define STLM_NO_FILE (-8)
#define STLM_BAD_MODEL (-9)
#define STLM_BAD_OPTION (-10)
#define STLM_BAD_TOKEN (-11)
#define STLM_CONTEXT_FULL (-12)
#define STLM_NO_TOKENIZER (-13)
#define STLM_NO_PLACE_TO_CUT (-14)
#define STLM_CANCELLED (-15)
#define STLM_NOT_CAUSAL (-16)
#define STLM_CANNOT_GENERATE (-17)
#define STLM_NOT_WRITTEN (-18)
#define STLM_BAD_SESSION_FILE (-19)
#define STLM_EMPTY_PROMPT (-20)
#define STLM_NO_TRANSCRIPT (-21)
#define STLM_WRONG_LOGITS (-22)
#define STLM_BAD_GRAMMAR (-23)

/* A code in one sentence, the same always; for numbers that are no codes too. */
const char *stlm_status_text(int32_t status);

/* STLM_ABI_VERSION of the library. */
uint32_t stlm_abi_version(void);
/* Bits of STLM_FEATURE_... */
uint64_t stlm_features(void);
#define STLM_FEATURE_THREADS 1u
#define STLM_FEATURE_KV_INT8 2u
#define STLM_FEATURE_KV_INT4 4u
#define STLM_FEATURE_BLOCKS 8u
#define STLM_FEATURE_EMBEDDED 16u /* built without the Swift runtime */
#define STLM_FEATURE_CONSTRAINTS 32u
/* The kernels that this CPU gets: "baseline", "avx2", "neon"... */
const char *stlm_kernels(void);

/* ---- Models ---- */

/* Bytes of memory that a model takes besides its file. */
size_t stlm_model_bytes(void);

/* Opens a model file: mapped from a path; mapped from a descriptor, which stays the caller's and may be closed; or in memory at a
   multiple of STLM_ALIGNMENT, which must stay as it is until the model is closed. *model is set where `memory` will do, after an error
   too: to read stlm_model_error. */
int32_t stlm_model_open(void *memory, size_t memory_bytes, const char *path, stlm_model **model);
int32_t stlm_model_open_descriptor(void *memory, size_t memory_bytes, int descriptor, stlm_model **model);
int32_t stlm_model_open_memory(void *memory, size_t memory_bytes, const void *file, size_t file_bytes, stlm_model **model);

/* STLM_SESSIONS_OPEN as long as it has sessions; nothing happens then. */
int32_t stlm_model_close(stlm_model *model);

/* The sentence of the last error, valid until the next; never null. */
const char *stlm_model_error(const stlm_model *model);

struct stlm_model_info {
    uint64_t file_bytes;
    uint32_t vocabulary_size;
    uint32_t block_size;      /* symbols of a block; 0 in a model of tokens */
    uint32_t context_default; /* positions */
    uint32_t context_maximum;
    uint32_t input_size;      /* numbers of a position: 1, or block_size */
    uint32_t output_size;
    uint32_t begin_token;     /* UINT32_MAX for none */
    uint32_t has_tokenizer;
};
int32_t stlm_model_get_info(stlm_model *model, struct stlm_model_info *info);

/* ---- Whether a file is right, and this computer ---- */

/* Bytes of memory that stlm_self_check takes; 0 after an error, whose sentence is in the model. */
size_t stlm_self_check_bytes(stlm_model *model);
/* Reads the whole file and computes what its packer's computer did: a portion of that, no longer than a step. `step` is 0 at first and then
   what the last call left there, with the same memory, as long as it is STLM_WORKING; STLM_OK in the end. It can be left at any time. */
int32_t stlm_self_check(stlm_model *model, void *memory, size_t memory_bytes, uint32_t *step);

/* ---- Options of a session ---- */

/* How a token is chosen: arithmetic-1, section 7. Fractions in units of 1/65,536. */
struct stlm_sampling {
    uint32_t temperature;    /* 0 takes the likeliest */
    uint32_t top_k;          /* 0 is off */
    uint32_t top_p;          /* 65,536 is off */
    uint32_t min_p;          /* 0 is off */
    uint32_t repeat_penalty; /* 65,536 is off */
    uint32_t repeat_window;  /* tokens that it looks back at */
};

#define STLM_KV_INT16 0
#define STLM_KV_INT8 1
#define STLM_KV_INT4 2

#define STLM_SLIDES 1u      /* a full context makes room for itself */
#define STLM_IGNORES_END 2u /* end tokens are tokens like any other */

struct stlm_options {
    uint32_t byte_count; /* sizeof(struct stlm_options) */
    uint32_t flags;
    uint32_t context; /* positions; 0 is the model's default */
    uint32_t kv_type;
    uint32_t threads; /* 1 ... 32, the caller's among them */
    uint32_t batch;   /* positions of a prompt computed at once; 0: as many as the quantum allows, at most 64 */
    uint64_t quantum; /* multiply-adds of a step, about: stlm_step_bound has the limit that is kept */
    struct stlm_sampling sampling; /* to begin with; the memory is for these needs */
    uint32_t kept;     /* positions at the beginning that sliding keeps; STLM_KEPT_DEFAULT */
    uint32_t reserved; /* 0 */
};
#define STLM_KEPT_DEFAULT UINT32_MAX /* 1, or 0 in a context of 1 */

/* One thread, a quantum of 8 Mi, the sampling that the model file has. */
int32_t stlm_options_default(stlm_model *model, struct stlm_options *options);

/* Bytes of memory that a session takes; 0 after an error, whose sentence is in the model. */
size_t stlm_session_bytes(stlm_model *model, const struct stlm_options *options);

/* ---- Sessions ---- */

/* An error's sentence is in the model. */
int32_t stlm_session_open(
    stlm_model *model, const struct stlm_options *options, void *memory, size_t memory_bytes, stlm_session **session);
int32_t stlm_session_close(stlm_session *session);
const char *stlm_session_error(const stlm_session *session);

/* Most multiply-adds that one stlm_step does. A slide counts, saving and restoring do not. */
int32_t stlm_step_bound(stlm_session *session, uint64_t *multiply_adds);

/* Forgets the sequence, at any time; the generator begins anew with its last seed. */
int32_t stlm_reset(stlm_session *session);

/* The generator begins anew; 0 where none is given. */
int32_t stlm_set_seed(stlm_session *session, uint64_t seed);
/* STLM_BAD_OPTION where it needs more memory than the sampling of the session's options, or another repeat_window. */
int32_t stlm_set_sampling(stlm_session *session, const struct stlm_sampling *sampling);
/* Most tokens (blocks) and bytes of text after each prompt; UINT64_MAX is no limit, 0 tokens only reads. */
int32_t stlm_set_limits(stlm_session *session, uint64_t tokens, uint64_t bytes);
/* Ends a text besides the stop strings of the model file: up to 8 of 1 to 256 bytes, copied; from the next prompt on. */
int32_t stlm_add_stop(stlm_session *session, const char *text, size_t text_bytes);
int32_t stlm_clear_stops(stlm_session *session);

/* ---- Constraints: Formats/grammar-1.md ---- */

#define STLM_RULES 0   /* a grammar of rules */
#define STLM_CHOICES 1 /* a list, one text a line */

/* Bytes of memory that a constraint takes in a session of this model, whatever its text; 0 after an error, whose sentence is in the model. */
size_t stlm_constraint_bytes(stlm_model *model);
/* At rest: what is drawn after each prompt is a text of the grammar, from its beginning. The text is not used after the call; the memory is,
   until the constraint is cleared, another set, or the session closed. After an error there is none. */
int32_t stlm_set_constraint(
    stlm_session *session, uint32_t kind, const char *text, size_t text_bytes, void *memory, size_t memory_bytes);
int32_t stlm_clear_constraint(stlm_session *session);

/* ---- Work ---- */

/* Begins a sequence, or goes on with one that has ended; stlm_step then does the work. The text or ids must stay as they are until stlm_step
   returns something other than STLM_WORKING. An empty prompt begins where the model has a token for that, or goes on. Ids are tokens, or of
   a model that takes blocks the symbols of whole blocks. */
int32_t stlm_prompt(stlm_session *session, const char *text, size_t text_bytes);
int32_t stlm_prompt_ids(stlm_session *session, const uint32_t *ids, size_t count);

/* The same with work of another kind: the cost of a text in a new session, or of a continuation after what was read. */
int32_t stlm_score(stlm_session *session, const char *text, size_t text_bytes);
/* Of the last stlm_score: bits in units of 2^-24, and how many tokens or blocks they are for. */
int32_t stlm_get_cost(stlm_session *session, uint64_t *cost, uint64_t *count);

/* Works for a quantum: STLM_WORKING, STLM_TOKEN, STLM_ENDED or an error. */
int32_t stlm_step(stlm_session *session);

/* What the last step gave, valid until the next call; text is UTF-8 with a zero byte after it, and may come with STLM_ENDED too. */
int32_t stlm_get_text(stlm_session *session, const char **text, size_t *text_bytes);
int32_t stlm_get_ids(stlm_session *session, const uint32_t **ids, size_t *count);

/* From any thread, at any time as long as the session is open: the step under way, or the next, returns STLM_CANCELLED within a quantum. */
int32_t stlm_cancel(stlm_session *session);

/* Why a sequence has ended. */
#define STLM_ENDING_NONE 0
#define STLM_ENDING_END 1     /* an end token */
#define STLM_ENDING_STOP 2    /* a stop string */
#define STLM_ENDING_TOKENS 3  /* the limit of tokens */
#define STLM_ENDING_BYTES 4   /* the limit of bytes */
#define STLM_ENDING_CONTEXT 5 /* a full context */
#define STLM_ENDING_SCORED 6
#define STLM_ENDING_CANCELLED 7
#define STLM_ENDING_ERROR 8
#define STLM_ENDING_GRAMMAR 9 /* all is written that the constraint allows */

struct stlm_progress {
    uint32_t position; /* of the context */
    uint32_t context;
    uint32_t batch;
    uint32_t ending;
    uint64_t tokens; /* tokens or blocks drawn since the last prompt */
};
int32_t stlm_get_progress(stlm_session *session, struct stlm_progress *progress);

/* ---- Sessions as files: Formats/session-1.md ---- */

/* Take or fill `byte_count` bytes; 0 for success, else the call ends with an error. */
typedef int32_t (*stlm_write_bytes)(void *context, const void *bytes, size_t byte_count);
typedef int32_t (*stlm_read_bytes)(void *context, void *bytes, size_t byte_count);

/* Not while a prompt is read or a text scored. */
int32_t stlm_save(stlm_session *session, stlm_write_bytes write, void *context);
int32_t stlm_save_descriptor(stlm_session *session, int descriptor);
/* In a session at rest, whose sequence is forgotten, also after an error; stlm_prompt then goes on. A generator that was saved goes on too. */
int32_t stlm_restore(stlm_session *session, stlm_read_bytes read, void *context);
int32_t stlm_restore_descriptor(stlm_session *session, int descriptor);

#ifdef __cplusplus
}
#endif

#endif
