/* What servers and policy workers say to one another by mailbox or socket: a 32-bit
 * little-endian length, then so many bytes. Workers run other people's policies, so every frame of
 * theirs is read as hostile bytes; the worker reads the server's as strictly, which costs nothing.
 */
#pragma once

#include "shared/base/buf.h"
#include "shared/base/span.h"

enum {
    VD_FRAME_HEAD = 4,
    VD_FRAME_REQUEST_MAX = 64 << 20,
    VD_FRAME_ENTRIES = 2,
    VD_FRAME_TEXT = 200,    /* bytes of a fault's text */
    VD_FRAME_GIVEN = 1100,  /* reference values of one evaluation; the engine asks for 1,024 */
    VD_FRAME_NAME = 65535,  /* bytes of a reference value's name */
    VD_FRAME_SLACK = 70000, /* an answer's frame may be longer than its result by this */
};

/* ---- requests ---- */
enum vd_ask_op { VD_ASK_COMPILE = 1, VD_ASK_EVAL = 2, VD_ASK_GIVEN = 3 };

/* A reference value; an empty one is unknown (the policy sees null). */
struct vd_given {
    vd_span name;
    vd_span value;
};

struct vd_ask {
    enum vd_ask_op op;
    /* COMPILE, EVAL */
    uint8_t policy_kind;
    uint8_t sha256[32];
    /* COMPILE */
    vd_span text;
    /* EVAL */
    uint8_t entry;
    bool lookups;
    int64_t now_ns;
    uint64_t instructions, milliseconds, memory, result;
    vd_span input;
    vd_span data;
    /* EVAL, GIVEN: n_given values follow in `given` */
    uint16_t n_given;
    vd_rd given;
};
/* Appends a frame; the values follow by vd_ask_given. Nothing fails: see vd_buf_check. */
void vd_ask_write(const struct vd_ask *a, vd_buf *out);
void vd_ask_given(vd_span name, vd_span value, vd_buf *out);
/* Fills in the length in front, when the frame is complete. */
void vd_frame_close(vd_buf *out);
/* Body of a frame. Spans point into it. False: malformed. */
bool vd_ask_parse(vd_span body, struct vd_ask *ret);
bool vd_ask_next(struct vd_ask *a, struct vd_given *ret);

/* ---- answers ---- */
enum vd_answer_op {
    VD_ANSWER_READY = 1, /* the sandbox is closed */
    VD_ANSWER_COMPILED = 2,
    VD_ANSWER_FAILED = 3,
    VD_ANSWER_UNKNOWN = 4, /* the worker does not have the policy: COMPILE first */
    VD_ANSWER_LOOKUP = 5,
    VD_ANSWER_VALUE = 6,
    VD_ANSWER_UNDEFINED = 7,
};

struct vd_frame_fault {
    uint32_t line;
    uint32_t column;
    vd_span text;
};

struct vd_answer {
    enum vd_answer_op op;
    bool leaving; /* the worker ends behind this answer */
    /* COMPILED */
    uint8_t n_entries;
    uint8_t state[VD_FRAME_ENTRIES]; /* enum vdr_rego_entry */
    struct vd_frame_fault warning[VD_FRAME_ENTRIES];
    /* FAILED */
    uint8_t rc; /* enum vdr_rc */
    struct vd_frame_fault fault;
    /* FAILED, VALUE, UNDEFINED: which given values the policy asked for, by number, in order */
    uint16_t n_used;
    vd_span used;
    vd_span bytes; /* LOOKUP: the name; VALUE: JSON, not looked at yet */
};
void vd_answer_write(const struct vd_answer *a, vd_buf *out);
/* Body of a frame of a worker that was given n_given values so far. VD_E_POLICY_EVAL: it breaks
 * the protocol. */
vd_rc vd_answer_parse(vd_span body, size_t n_given, struct vd_answer *ret, vd_err *err);
/* The i-th of `used`; below the n_given of the parse. */
uint16_t vd_answer_used(const struct vd_answer *a, size_t i);
