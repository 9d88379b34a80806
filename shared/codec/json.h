/* JSON of strangers: one strict pre-scan (RFC 8259, UTF-8, no duplicate names, no NUL in strings,
 * no lone surrogates, bounded size, depth and nodes, no trailing bytes) yields a flat tape of
 * tokens; values are read from the tape, numbers from their text. And the writer: compact JSON into
 * a vd_buf, and RFC 8785 (JCS) canonical output. Nothing here recurses on input. */
#pragma once

#include "shared/base/buf.h"

enum vd_json_type {
    VD_JSON_NONE, /* what reading a missing member gives */
    VD_JSON_OBJECT,
    VD_JSON_ARRAY,
    VD_JSON_STRING,
    VD_JSON_NUMBER,
    VD_JSON_TRUE,
    VD_JSON_FALSE,
    VD_JSON_NULL,
};

struct vd_json_tok {
    uint32_t off;   /* of the value's text in the input; strings: behind the quote */
    uint32_t len;   /* bytes of text; strings: without the quotes */
    uint32_t next;  /* index of the token behind this value and all it contains */
    uint32_t count; /* members or elements */
    uint8_t type;
    uint8_t escaped; /* string text holds a backslash */
};

struct vd_json {
    vd_span in;
    struct vd_json_tok *tok; /* owned; object members are name token, then value tokens */
    size_t n;
};

struct vd_json_limits {
    size_t bytes;
    uint32_t depth;
    uint32_t nodes;
};
/* SHAPES section 3: depth 32, 20,000 nodes; bytes is the caller's body limit. */
#define VD_JSON_LIMITS(max_bytes) (&(const struct vd_json_limits){ (max_bytes), 32, 20000 })

/* Valid while the input lives. VD_E_SYNTAX (with the byte), VD_E_TOO_LARGE, VD_E_NOMEM. */
vd_rc vd_json_parse(vd_span in, const struct vd_json_limits *limits, struct vd_json **ret,
                    vd_err *err);
void vd_json_free(struct vd_json *j);

#include "shared/base/auto.h"
VD_DEFINE_CLEANUP(struct vd_json, vd_json_free)

/* A value on the tape; {NULL,0} is "missing" and reads as type NONE everywhere. */
typedef struct {
    const struct vd_json *doc;
    uint32_t at;
} vd_jv;

vd_jv vd_json_root(const struct vd_json *j);
enum vd_json_type vd_jv_type(vd_jv v);
static inline bool vd_jv_is(vd_jv v, enum vd_json_type t)
{
    return vd_jv_type(v) == t;
}
static inline bool vd_jv_ok(vd_jv v)
{
    return v.doc != NULL;
}
size_t vd_jv_count(vd_jv v); /* members or elements; 0 for others */
vd_jv vd_jv_get(vd_jv object,
                const char *name); /* exact, case-sensitive; escapes in names are decoded */
vd_jv vd_jv_get_span(vd_jv object, vd_span name);
/* By pointer of names, "/a/b/0" (RFC 6901 escapes ~0 ~1). */
vd_jv vd_jv_pointer(vd_jv v, const char *pointer);

/* Walks members or elements: vd_jv_iter it = vd_jv_iter_of(v); while (vd_jv_next(&it)) use it.name,
 * it.value. */
typedef struct {
    vd_jv value;
    vd_jv name; /* string token; missing for arrays */
    const struct vd_json *doc;
    uint32_t at;
    uint32_t end;
    bool object;
} vd_jv_iter;
vd_jv_iter vd_jv_iter_of(vd_jv v);
bool vd_jv_next(vd_jv_iter *it);

/* The bytes of the value as they stand in the input (strings with their quotes). */
vd_span vd_jv_raw(vd_jv v);
/* String text as it stands between the quotes; `escaped` text needs vd_jv_str. Empty for others. */
vd_span vd_jv_str_raw(vd_jv v);
/* Decoded string appended to out. VD_E_SYNTAX when it is not a string. */
vd_rc vd_jv_str(vd_jv v, vd_buf *out, vd_err *err);
/* Owned NUL-terminated decoded string; caller frees. */
vd_rc vd_jv_strdup(vd_jv v, char **ret, vd_err *err);
bool vd_jv_str_eq(vd_jv v, const char *s); /* decoded comparison; false for others */
/* Exact unsigned integer: digits only, no sign, fraction or exponent. VD_E_SYNTAX. */
vd_rc vd_jv_u64(vd_jv v, uint64_t max, uint64_t *ret, vd_err *err);
/* Exact signed integer, optional minus. */
vd_rc vd_jv_i64(vd_jv v, int64_t *ret, vd_err *err);
/* Any JSON number as a double. */
vd_rc vd_jv_double(vd_jv v, double *ret, vd_err *err);
vd_rc vd_jv_bool(vd_jv v, bool *ret, vd_err *err);
/* Array of exactly n integers 0..255 into p (evidence byte arrays). VD_E_SYNTAX. */
vd_rc vd_jv_bytes(vd_jv v, uint8_t *p, size_t n, vd_err *err);
/* Base64 string of the form named (shared/codec/b64.h), decoded and appended. */
vd_rc vd_jv_b64(vd_jv v, int form, vd_buf *out, vd_err *err);

/* RFC 8785. Appends. Numbers follow ECMAScript (a double); members sorted by UTF-16 code units. */
vd_rc vd_json_canonical(vd_jv v, vd_buf *out, vd_err *err);
/* The same value, compact, members in the order of the input, strings with minimal escapes. */
vd_rc vd_json_compact(vd_jv v, vd_buf *out, vd_err *err);

/* Writer: a thin layer over vd_buf that places commas. Depth 32 at most; misuse sets out->bad.
 *   vd_jw w = vd_jw_of(&buf); vd_jw_obj(&w); vd_jw_key(&w,"a"); vd_jw_u64(&w,1); vd_jw_end(&w); */
typedef struct {
    vd_buf *out;
    uint64_t has_item; /* bit per depth */
    uint64_t is_array;
    unsigned depth;
    bool after_key;
} vd_jw;
vd_jw vd_jw_of(vd_buf *out);
void vd_jw_obj(vd_jw *w);
void vd_jw_arr(vd_jw *w);
void vd_jw_end(vd_jw *w); /* closes the innermost object or array */
void vd_jw_key(vd_jw *w, const char *name);
void vd_jw_key_span(vd_jw *w, vd_span name);
void vd_jw_str(vd_jw *w, const char *s);
void vd_jw_str_span(vd_jw *w, vd_span s); /* must be UTF-8; invalid bytes become U+FFFD */
void vd_jw_u64(vd_jw *w, uint64_t v);
void vd_jw_i64(vd_jw *w, int64_t v);
void vd_jw_bool(vd_jw *w, bool v);
void vd_jw_null(vd_jw *w);
void vd_jw_raw(vd_jw *w, vd_span json); /* a complete JSON value, taken as it is */
void vd_jw_hex(vd_jw *w, vd_span bytes);
void vd_jw_b64(vd_jw *w, vd_span bytes, int form);
void vd_jw_time(vd_jw *w, int64_t unix_s); /* RFC 3339 string */
/* key + value in one call, for the many flat objects */
void vd_jw_kstr(vd_jw *w, const char *key, const char *s);
void vd_jw_kspan(vd_jw *w, const char *key, vd_span s);
void vd_jw_ku64(vd_jw *w, const char *key, uint64_t v);
void vd_jw_ki64(vd_jw *w, const char *key, int64_t v);
void vd_jw_kbool(vd_jw *w, const char *key, bool v);
void vd_jw_khex(vd_jw *w, const char *key, vd_span bytes);
