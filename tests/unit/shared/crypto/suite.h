/* Reading of the public suites (JSON files) by the tests of this folder, and their counts. */
#pragma once

#include "tests/support/support.h"

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/crypto/key.h"

struct suite {
    const char *name;
    vd_buf text;
    struct vd_json *doc;
    unsigned cases;
    unsigned passed;
    unsigned refused; /* by name: an algorithm or form that we do not have, refused cleanly */
    unsigned wrong;
};

static inline struct suite suite_open(const char *path)
{
    struct suite s = { .name = strrchr(path, '/') + 1, .text = vd_test_file(path) };
    const struct vd_json_limits limits = { s.text.n, 64, 4000000 };
    vd_err err = { 0 };
    assert_ok(vd_json_parse(vd_buf_span(&s.text), &limits, &s.doc, &err));
    return s;
}

/* The expectation of one case: `did` is what our code did. */
static inline void suite_case(struct suite *s, vd_jv test, bool want, bool did)
{
    s->cases++;
    if (want == did) {
        s->passed++;
        return;
    }
    s->wrong++;
    uint64_t id = 0;
    (void)(vd_jv_u64(vd_jv_get(test, "tcId"), UINT64_MAX, &id, NULL).code);
    vd_span comment = vd_jv_str_raw(vd_jv_get(test, "comment"));
    print_error("%s: case %u: %s, wanted %s: %.*s\n", s->name, (unsigned)id,
                did ? "accepted" : "refused", want ? "accepted" : "refused", (int)comment.n,
                (const char *)comment.p);
}

static inline void suite_refused(struct suite *s, const char *algorithm, bool did)
{
    s->cases++;
    if (!did) {
        s->refused++;
        return;
    }
    s->wrong++;
    print_error("%s: %s was accepted\n", s->name, algorithm);
}

static inline void suite_close(struct suite *s, unsigned cases)
{
    print_message("suite %s: %u cases, %u passed, %u refused by name\n", s->name, s->cases,
                  s->passed, s->refused);
    assert_int_equal(s->wrong, 0);
    assert_int_equal(s->cases, cases);
    vd_json_free(s->doc);
    vd_buf_done(&s->text);
}

static inline vd_buf hex_of(vd_jv object, const char *name)
{
    vd_buf b = vd_buf_of(1 << 20);
    vd_err err = { 0 };
    assert_ok(vd_hex_decode(vd_jv_str_raw(vd_jv_get(object, name)), &b, &err));
    return b;
}

static inline bool is_valid(vd_jv test)
{
    return vd_jv_str_eq(vd_jv_get(test, "result"), "valid");
}

static inline bool is_acceptable(vd_jv test)
{
    return vd_jv_str_eq(vd_jv_get(test, "result"), "acceptable");
}

/* DER length and content behind a tag. */
static inline void der_add(vd_buf *out, uint8_t tag, vd_span content)
{
    vd_buf_u8(out, tag);
    if (content.n >= 256) {
        vd_buf_u8(out, 0x82);
        vd_buf_be(out, content.n, 2);
    } else if (content.n >= 128) {
        vd_buf_u8(out, 0x81);
        vd_buf_u8(out, (uint8_t)content.n);
    } else {
        vd_buf_u8(out, (uint8_t)content.n);
    }
    vd_buf_add(out, content);
}

static inline void der_uint(vd_buf *out, vd_span be)
{
    while (be.n > 1 && be.p[0] == 0)
        be = vd_span_part(be, 1, be.n);
    VD_AUTO_BUF b = vd_buf_of(2048);
    if (be.p[0] & 0x80)
        vd_buf_u8(&b, 0);
    vd_buf_add(&b, be);
    der_add(out, 0x02, vd_buf_span(&b));
}

static inline vd_buf pem_of(const char *name, vd_span der)
{
    vd_buf pem = vd_buf_of(1 << 20);
    VD_AUTO_BUF b64 = vd_buf_of(1 << 20);
    vd_b64_encode(der, VD_B64_STD, &b64);
    vd_buf_printf(&pem, "-----BEGIN %s-----\n", name);
    for (size_t at = 0; at < b64.n; at += 64) {
        vd_buf_add(&pem, vd_span_part(vd_buf_span(&b64), at, 64));
        vd_buf_u8(&pem, '\n');
    }
    vd_buf_printf(&pem, "-----END %s-----\n", name);
    return pem;
}
