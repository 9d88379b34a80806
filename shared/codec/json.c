/* The strict pre-scan: one pass over the bytes, an explicit stack of open containers, a flat tape.
 * RFC 8259, with our stricter rules: no duplicate names, no NUL, no lone surrogates. */
#include "shared/codec/json.h"

#include <stdlib.h>

#include "shared/codec/text.h"

enum { DEPTH_HARD = 64, TOKENS_FIRST = 64, TOKENS_GUESS = 8192, HASH_FROM = 4, HASH_TO = 64 };

struct scan {
    vd_span in;
    size_t at;
    struct vd_json *doc;
    size_t cap;
    size_t values;
    const struct vd_json_limits *limits;
    uint32_t open[DEPTH_HARD];
    unsigned depth;
    vd_err *err;
};

static vd_rc bad(struct scan *s, const char *what)
{
    return vd_fail(s->err, VD_E_SYNTAX, "JSON: %s at byte %zu of %zu", what, s->at, s->in.n);
}

static int peek(const struct scan *s)
{
    return s->at < s->in.n ? s->in.p[s->at] : -1;
}

static void skip_blanks(struct scan *s)
{
    for (int c = peek(s); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = peek(s))
        s->at++;
}

static vd_rc add_token(struct scan *s, enum vd_json_type type, size_t off, struct vd_json_tok **ret)
{
    struct vd_json *doc = s->doc;
    if (doc->n == s->cap) {
        size_t guess = s->in.n / 3 < TOKENS_GUESS ? s->in.n / 3 : TOKENS_GUESS;
        size_t cap = s->cap ? s->cap * 2 : guess < TOKENS_FIRST ? TOKENS_FIRST : guess;
        struct vd_json_tok *tok = realloc(doc->tok, cap * sizeof *tok);
        if (!tok)
            return vd_fail(s->err, VD_E_NOMEM, "JSON tape of %zu tokens", cap);
        doc->tok = tok;
        s->cap = cap;
    }
    struct vd_json_tok *t = &doc->tok[doc->n++];
    *t = (struct vd_json_tok){ .off = (uint32_t)off,
                               .next = (uint32_t)doc->n,
                               .type = (uint8_t)type };
    *ret = t;
    return VD_OK;
}

static vd_rc count_value(struct scan *s)
{
    if (++s->values > s->limits->nodes)
        return vd_fail(s->err, VD_E_TOO_LARGE, "JSON: more than %u values", s->limits->nodes);
    return VD_OK;
}

static bool hex4_at(const struct scan *s, size_t at, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        if (at + i >= s->in.n)
            return false;
        uint8_t c = s->in.p[at + i];
        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    *ret = v;
    return true;
}

/* s->at is behind "\u". */
static vd_rc scan_unicode_escape(struct scan *s)
{
    uint32_t cp = 0;
    uint32_t low = 0;
    if (!hex4_at(s, s->at, &cp))
        return bad(s, "bad \\u escape");
    if (cp == 0)
        return bad(s, "NUL in a string");
    s->at += 4;
    if (cp < 0xD800 || cp > 0xDFFF)
        return VD_OK;
    bool pair = cp <= 0xDBFF && s->at + 6 <= s->in.n && s->in.p[s->at] == '\\' &&
                s->in.p[s->at + 1] == 'u' && hex4_at(s, s->at + 2, &low) && low >= 0xDC00 &&
                low <= 0xDFFF;
    if (!pair)
        return bad(s, "lone surrogate");
    s->at += 6;
    return VD_OK;
}

static vd_rc scan_escape(struct scan *s)
{
    s->at++;
    int c = peek(s);
    s->at++;
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return VD_OK;
    case 'u':
        return scan_unicode_escape(s);
    default:
        return bad(s, "bad escape");
    }
}

/* s->at is at the opening quote. */
static vd_rc scan_string(struct scan *s)
{
    struct vd_json_tok *t = NULL;
    VD_TRY(add_token(s, VD_JSON_STRING, s->at + 1, &t));
    s->at++;
    for (;;) {
        s->at += vd_span_plain(s->in, s->at);
        int c = peek(s);
        if (c < 0)
            return bad(s, "string without end");
        if (c == '"')
            break;
        if (c < 0x20)
            return bad(s, "control character in a string");
        if (c == '\\') {
            t->escaped = 1;
            VD_TRY(scan_escape(s));
        } else if (vd_utf8_next(s->in, &s->at) == VD_CP_BAD) {
            return bad(s, "ill-formed UTF-8");
        }
    }
    t->len = (uint32_t)(s->at - t->off);
    s->at++;
    return VD_OK;
}

static bool scan_digits(struct scan *s)
{
    size_t from = s->at;
    for (int c = peek(s); c >= '0' && c <= '9'; c = peek(s))
        s->at++;
    return s->at > from;
}

static vd_rc scan_number(struct scan *s)
{
    struct vd_json_tok *t = NULL;
    VD_TRY(add_token(s, VD_JSON_NUMBER, s->at, &t));
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!scan_digits(s))
        return bad(s, "bad number");
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return bad(s, "bad number");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return bad(s, "bad number");
    }
    t->len = (uint32_t)(s->at - t->off);
    return VD_OK;
}

static vd_rc scan_word(struct scan *s, vd_span word, enum vd_json_type type)
{
    if (!vd_span_eq(vd_span_part(s->in, s->at, word.n), word))
        return bad(s, "unexpected text");
    struct vd_json_tok *t = NULL;
    VD_TRY(add_token(s, type, s->at, &t));
    t->len = (uint32_t)word.n;
    s->at += word.n;
    return VD_OK;
}

static vd_rc open_container(struct scan *s, enum vd_json_type type)
{
    if (s->depth >= s->limits->depth || s->depth >= DEPTH_HARD)
        return vd_fail(s->err, VD_E_TOO_LARGE, "JSON: nested deeper than %u", s->limits->depth);
    struct vd_json_tok *t = NULL;
    VD_TRY(add_token(s, type, s->at, &t));
    s->open[s->depth++] = (uint32_t)(s->doc->n - 1);
    s->at++;
    return VD_OK;
}

static vd_span text_of(const struct vd_json *j, const struct vd_json_tok *t)
{
    return vd_span_part(j->in, t->off, t->len);
}

static int cmp_names(const struct vd_json *j, uint32_t a, uint32_t b)
{
    const struct vd_json_tok *x = &j->tok[a];
    const struct vd_json_tok *y = &j->tok[b];
    return vd_jtext_cmp(text_of(j, x), x->escaped, text_of(j, y), y->escaped);
}

static int cmp_names_qsort(const void *a, const void *b, void *doc)
{
    return cmp_names(doc, *(const uint32_t *)a, *(const uint32_t *)b);
}

static vd_rc duplicate(struct scan *s)
{
    return bad(s, "duplicate name in the object that ends");
}

/* Many members: sort, so that a hostile object costs n log n. */
static vd_rc check_duplicates_sorted(struct scan *s, const struct vd_json_tok *object,
                                     uint32_t first)
{
    VD_AUTO(free) uint32_t *name = calloc(object->count, sizeof *name);
    if (!name)
        return vd_fail(s->err, VD_E_NOMEM, "JSON names");
    uint32_t at = first;
    for (uint32_t i = 0; i < object->count; i++) {
        name[i] = at;
        at = s->doc->tok[at + 1].next;
    }
    qsort_r(name, object->count, sizeof *name, cmp_names_qsort, s->doc);
    for (uint32_t i = 1; i < object->count; i++)
        if (cmp_names(s->doc, name[i - 1], name[i]) == 0)
            return duplicate(s);
    return VD_OK;
}

/* FNV-1a of the decoded name. */
static uint32_t hash_name(const struct vd_json *j, const struct vd_json_tok *t)
{
    vd_span text = text_of(j, t);
    uint32_t h = 2166136261u;
    for (size_t at = 0; at < text.n;) {
        uint32_t c = t->escaped ? vd_jtext_next(text, &at) : text.p[at++];
        if (c < 0x80)
            h = (h ^ c) * 16777619u;
    }
    return h;
}

/* As many members as evidence and claims have: hashes are compared. Two names with one hash look
 * like an attempt to make this slow, and take the other way. */
static vd_rc check_duplicates_hashed(struct scan *s, const struct vd_json_tok *object,
                                     uint32_t first)
{
    uint32_t name[HASH_TO];
    uint32_t hash[HASH_TO];
    uint32_t at = first;
    for (uint32_t i = 0; i < object->count; i++) {
        name[i] = at;
        hash[i] = hash_name(s->doc, &s->doc->tok[at]);
        at = s->doc->tok[at + 1].next;
        for (uint32_t k = 0; k < i; k++) {
            if (hash[k] != hash[i])
                continue;
            if (cmp_names(s->doc, name[k], name[i]) == 0)
                return duplicate(s);
            return check_duplicates_sorted(s, object, first);
        }
    }
    return VD_OK;
}

static vd_rc check_duplicates(struct scan *s, uint32_t object_at)
{
    const struct vd_json_tok *object = &s->doc->tok[object_at];
    if (object->count > HASH_TO)
        return check_duplicates_sorted(s, object, object_at + 1);
    if (object->count >= HASH_FROM)
        return check_duplicates_hashed(s, object, object_at + 1);
    uint32_t end = object->next;
    for (uint32_t a = object_at + 1; a < end; a = s->doc->tok[a + 1].next)
        for (uint32_t b = s->doc->tok[a + 1].next; b < end; b = s->doc->tok[b + 1].next)
            if (cmp_names(s->doc, a, b) == 0)
                return duplicate(s);
    return VD_OK;
}

static vd_rc close_container(struct scan *s)
{
    uint32_t at = s->open[--s->depth];
    struct vd_json_tok *t = &s->doc->tok[at];
    s->at++;
    t->len = (uint32_t)(s->at - t->off);
    t->next = (uint32_t)s->doc->n;
    if (t->type == VD_JSON_OBJECT)
        return check_duplicates(s, at);
    return VD_OK;
}

static vd_rc scan_value(struct scan *s)
{
    VD_TRY(count_value(s));
    switch (peek(s)) {
    case '{':
        return open_container(s, VD_JSON_OBJECT);
    case '[':
        return open_container(s, VD_JSON_ARRAY);
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, VD_LIT("true"), VD_JSON_TRUE);
    case 'f':
        return scan_word(s, VD_LIT("false"), VD_JSON_FALSE);
    case 'n':
        return scan_word(s, VD_LIT("null"), VD_JSON_NULL);
    default:
        return scan_number(s);
    }
}

/* Digits of a number of one to three that ends at a comma or the array's end; 0 for all else. */
static inline size_t short_number(const uint8_t *p, size_t left)
{
    size_t n = 0;
    while (n < 3 && n < left && p[n] >= '0' && p[n] <= '9')
        n++;
    bool ends = n < left && (p[n] == ',' || p[n] == ']');
    return ends && (n < 2 || p[0] != '0') ? n : 0;
}

/* Evidence is mostly bytes written as numbers, without blanks: runs of them are taken at once, as
 * long as the tape and the limits have room. Whatever looks different, and what comes when they
 * have not, is left to the general way. */
static void scan_short_numbers(struct scan *s, uint32_t array_at)
{
    struct vd_json *doc = s->doc;
    size_t room = s->cap - doc->n;
    size_t allowed = s->limits->nodes > s->values ? s->limits->nodes - s->values : 0;
    size_t most = room < allowed ? room : allowed;
    struct vd_json_tok *t = doc->tok + doc->n;
    const uint8_t *p = s->in.p;
    size_t at = s->at;
    size_t taken = 0;
    for (size_t n = short_number(p + at, s->in.n - at); n > 0 && taken < most; taken++) {
        t[taken] = (struct vd_json_tok){ .off = (uint32_t)at,
                                         .len = (uint32_t)n,
                                         .next = (uint32_t)(doc->n + taken + 1),
                                         .type = VD_JSON_NUMBER };
        at += n;
        s->at = at;
        at++;
        n = p[at - 1] == ',' ? short_number(p + at, s->in.n - at) : 0;
    }
    doc->n += (uint32_t)taken;
    s->values += taken;
    doc->tok[array_at].count += (uint32_t)taken;
}

/* One member or element of the innermost container, or its end. */
static vd_rc scan_item(struct scan *s)
{
    struct vd_json_tok *t = &s->doc->tok[s->open[s->depth - 1]];
    bool object = t->type == VD_JSON_OBJECT;
    int end = object ? '}' : ']';
    skip_blanks(s);
    if (peek(s) == end)
        return close_container(s);
    if (t->count > 0) {
        if (peek(s) != ',')
            return bad(s, "expected a comma or the end");
        s->at++;
        skip_blanks(s);
    }
    if (!object) {
        size_t was = s->at;
        scan_short_numbers(s, s->open[s->depth - 1]);
        if (s->at > was)
            return VD_OK;
    }
    s->doc->tok[s->open[s->depth - 1]].count++;
    if (object) {
        if (peek(s) != '"')
            return bad(s, "expected a name");
        VD_TRY(scan_string(s));
        skip_blanks(s);
        if (peek(s) != ':')
            return bad(s, "expected a colon");
        s->at++;
        skip_blanks(s);
    }
    return scan_value(s);
}

static vd_rc scan_all(struct scan *s)
{
    skip_blanks(s);
    VD_TRY(scan_value(s));
    while (s->depth > 0)
        VD_TRY(scan_item(s));
    skip_blanks(s);
    if (s->at != s->in.n)
        return bad(s, "trailing bytes");
    return VD_OK;
}

vd_rc vd_json_parse(vd_span in, const struct vd_json_limits *limits, struct vd_json **ret,
                    vd_err *err)
{
    if (in.n > limits->bytes || in.n >= UINT32_MAX)
        return vd_fail(err, VD_E_TOO_LARGE, "JSON: %zu bytes, at most %zu", in.n, limits->bytes);
    VD_AUTO(vd_json_free) struct vd_json *j = calloc(1, sizeof *j);
    if (!j)
        return vd_fail(err, VD_E_NOMEM, "JSON");
    j->in = in;
    struct scan s = { .in = in, .doc = j, .limits = limits, .err = err };
    VD_TRY(scan_all(&s));
    *ret = VD_TAKE(j);
    return VD_OK;
}

void vd_json_free(struct vd_json *j)
{
    if (!j)
        return;
    free(j->tok);
    free(j);
}
