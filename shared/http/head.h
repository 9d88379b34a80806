/* Strict parser of an HTTP/1.x request head (RFC 9112, narrowed by SHAPES section 1): pure
 * functions over bytes. vd_head_scan finds the end of a head as bytes arrive and enforces the
 * sizes; its answer depends on the bytes only, never on how they were split. vd_head_parse reads a
 * whole head. Everything that two parsers could read differently is refused. */
#pragma once

#include "shared/http/http.h"

enum {
    VD_HEAD_LINE_MAX = 8192,   /* request line */
    VD_HEAD_FIELDS_HARD = 100, /* hard value of limits.h */
};

struct vd_head_limits {
    size_t bytes;         /* without the Authorization line */
    size_t authorization; /* bytes of that line's value */
    size_t fields;
};

/* Zero-initialised; small, because every idle connection holds one. */
struct vd_head_scan {
    uint32_t at;        /* scanned up to here; when done: length of the head */
    uint32_t line;      /* start of the line that is being read */
    uint32_t plain;     /* bytes of complete lines that are not Authorization */
    uint16_t fields;    /* complete field lines */
    bool started;       /* the request line is complete */
    bool authorization; /* one Authorization line was seen */
};

struct vd_head {
    enum vd_method method;
    bool http10;
    bool keep_alive; /* what the client asks for */
    bool expect_continue;
    bool has_length;
    uint64_t length; /* Content-Length, 0 when absent */
    vd_span target;
    vd_span authorization;  /* value */
    vd_span cookie;         /* value of the first kbs-session-id */
    struct vd_field *field; /* the caller's array */
    size_t n_field;
};

/* `in`: all bytes since the request began, at least as many as last time. *ret_done tells whether
 * the head is complete (s->at bytes). VD_E_BAD_REQUEST, VD_E_HEAD_TOO_LARGE. */
vd_rc vd_head_scan(struct vd_head_scan *s, vd_span in, const struct vd_head_limits *limits,
                   bool *ret_done, vd_err *err);

/* `head`: exactly the bytes of a complete head. Spans point into it. VD_E_BAD_REQUEST,
 * VD_E_HEAD_TOO_LARGE (more fields than `cap`). */
vd_rc vd_head_parse(vd_span head, struct vd_field *field, size_t cap, struct vd_head *ret,
                    vd_err *err);

/* The rules about fields that need no raw bytes, for a server that parsed the head itself. Reads
 * ret->method, http10, field, n_field; fills the rest. Names and values are checked as well. */
vd_rc vd_head_fields(struct vd_head *ret, vd_err *err);

/* ASCII letters compared without case. */
bool vd_span_eq_nocase(vd_span a, const char *lower);
