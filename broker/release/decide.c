/* The release decision; see decide.h. */
#include "broker/release/decide.h"

#include "shared/codec/json.h"

enum { DOCUMENT_BYTES = 256 * 1024 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* As Trustee's server reads a query: '+' is a blank, a bad escape stays as text. */
static void form_decode(vd_span in, vd_buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        int high = i + 2 < in.n && in.p[i] == '%' ? hex_digit(in.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;
        if (low >= 0) {
            vd_buf_u8(out, (uint8_t)(high * 16 + low));
            i += 2;
        } else {
            vd_buf_u8(out, in.p[i] == '+' ? ' ' : in.p[i]);
        }
    }
}

struct query {
    vd_buf text; /* decoded names and values, one behind the other */
    size_t at[BRK_QUERY_PAIRS];
    size_t name_n[BRK_QUERY_PAIRS];
    size_t value_n[BRK_QUERY_PAIRS];
    size_t n;
};

static void query_done(struct query *q)
{
    vd_buf_done(&q->text);
}

static vd_span name_of(const struct query *q, size_t i)
{
    return vd_span_part(vd_buf_span(&q->text), q->at[i], q->name_n[i]);
}

static vd_rc pair_read(struct query *q, vd_span pair, vd_err *err)
{
    size_t eq = vd_span_find(pair, '=');
    if (q->n == BRK_QUERY_PAIRS)
        return vd_fail(err, VD_E_BAD_TARGET, "the query has more than %d members", BRK_QUERY_PAIRS);
    q->at[q->n] = q->text.n;
    form_decode(vd_span_part(pair, 0, eq), &q->text);
    q->name_n[q->n] = q->text.n - q->at[q->n];
    form_decode(vd_span_part(pair, eq + 1, pair.n), &q->text);
    q->value_n[q->n] = q->text.n - q->at[q->n] - q->name_n[q->n];
    if (vd_span_find(vd_buf_span(&q->text), 0) < q->text.n)
        return vd_fail(err, VD_E_BAD_TARGET, "the query has a NUL");
    for (size_t i = 0; i < q->n; i++)
        if (vd_span_eq(name_of(q, i), name_of(q, q->n)))
            return vd_fail(err, VD_E_BAD_TARGET, "a name is in the query twice");
    q->n++;
    return VD_OK;
}

static vd_rc query_read(struct query *q, vd_span text, vd_err *err)
{
    while (text.n) {
        size_t end = vd_span_find(text, '&');
        vd_span pair = vd_span_part(text, 0, end);
        text = vd_span_part(text, end + 1, text.n);
        if (pair.n)
            VD_TRY(pair_read(q, pair, err));
    }
    return vd_buf_check(&q->text, err);
}

/* Bytes that are no UTF-8 become U+FFFD, so two names that differed may be one in the document. */
static vd_rc names_differ(vd_span text, vd_span document, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    size_t i = 0;
    while (i < text.n && text.p[i] < 0x80)
        i++;
    if (i == text.n ||
        vd_json_parse(document, VD_JSON_LIMITS(document.n), &doc, NULL).code == VD_E_OK)
        return VD_OK;
    return vd_fail(err, VD_E_BAD_TARGET, "a name is in the query twice");
}

vd_rc brk_data_document(const struct vd_resource_id *id, vd_span query, vd_buf *out, vd_err *err)
{
    __attribute__((cleanup(query_done))) struct query q = { .text = vd_buf_of(DOCUMENT_BYTES) };
    VD_TRY(query_read(&q, query, err));
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "plugin", "resource");
    vd_jw_key(&w, "resource-path");
    vd_jw_arr(&w);
    vd_jw_str(&w, id->repo);
    vd_jw_str(&w, id->type);
    vd_jw_str(&w, id->tag);
    vd_jw_end(&w);
    vd_jw_key(&w, "query");
    vd_jw_obj(&w);
    for (size_t i = 0; i < q.n; i++) {
        vd_jw_key_span(&w, name_of(&q, i));
        vd_jw_str_span(&w, vd_span_part(vd_buf_span(&q.text), q.at[i] + q.name_n[i], q.value_n[i]));
    }
    vd_jw_end(&w);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(out, err));
    return names_differ(vd_buf_span(&q.text), vd_buf_span(out), err);
}

vd_rc brk_decide(struct brk_policies *policies, const struct vd_limits *limits,
                 const struct brk_ask *ask, struct brk_policy_use *ret, vd_err *err)
{
    VD_AUTO_BUF data = vd_buf_of(DOCUMENT_BYTES);
    const struct brk_passport *p = ask->passport;
    VD_TRY(brk_data_document(ask->id, ask->query, &data, err));
    if (!brk_issuer_has_repository(p->issuer, ask->id->repo))
        return vd_fail(err, VD_E_PASSPORT_SCOPE,
                       "passports of the entry %s are not good for the repository %.80s",
                       p->issuer->name, ask->id->repo);
    VD_TRY(brk_policies_get(policies, ask->owner, ret, err));
    const struct vd_policy_query q = {
        .input = vd_buf_span(&p->payload),
        .data = vd_buf_span(&data),
        .now_ns = ask->now_ns,
        .limits = limits,
    };
    return vd_policy_allows(ret->policy, &q, err);
}
