/* A range of a record as one file that verifies by itself: a line that says what it is and what it
 * continues, then records from behind a checkpoint (or from a beginning) to a checkpoint. The files
 * are read twice: once to check them and find the range, once to write it. */
#include "shared/audit/verify_priv.h"

#include "shared/codec/b64.h"

struct range {
    uint64_t want_from;
    uint64_t want_to;
    uint64_t from; /* first record of the range */
    uint64_t to;   /* the checkpoint that ends it; 0 while not found */
    uint8_t prev[32];
    bool first_of_tree; /* the next record begins a tree */
    vd_audit_sink sink;
    void *ctx;
    struct vd_audit_report *ret;
};

static vd_rc find(void *ctx, const struct vd_verify *v, const struct vd_audit_line *line,
                  vd_err *err)
{
    struct range *g = ctx;
    (void)v;
    (void)err;
    if (g->first_of_tree && line->seq <= g->want_from) {
        g->from = line->seq;
        memcpy(g->prev, line->prev, 32);
    }
    g->first_of_tree = vd_span_eq_str(line->event, VD_AUDIT_CHECKPOINT);
    if (g->first_of_tree && g->to == 0 && line->seq >= g->want_to)
        g->to = line->seq;
    return VD_OK;
}

static vd_rc write_record(void *ctx, const struct vd_verify *v, const struct vd_audit_line *line,
                          vd_err *err)
{
    struct range *g = ctx;
    (void)v;
    if (line->seq < g->from || line->seq > g->to)
        return VD_OK;
    g->ret->records++;
    g->ret->checkpoints += vd_span_eq_str(line->event, VD_AUDIT_CHECKPOINT);
    VD_TRY(g->sink(g->ctx, line->text, err));
    return g->sink(g->ctx, VD_LIT("\n"), err);
}

/* "x" of the public JWK: all that its line says of the key. */
static vd_rc write_first_line(const struct range *g, const struct vd_verify *v, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_AUTO_BUF jwk = vd_buf_of(1024);
    VD_AUTO_BUF line = vd_buf_of(VD_EXPORT_LINE);
    VD_TRY(vd_key_to_jwk(v->key, NULL, &jwk, err));
    VD_TRY(vd_json_parse(vd_buf_span(&jwk), VD_JSON_LIMITS(1024), &j, err));
    vd_buf_printf(&line,
                  "{\"export\":1,\"program\":\"%s\",\"log\":\"%s\",\"from\":%llu,\"to\":%llu,"
                  "\"prev\":\"",
                  v->program, v->log, (unsigned long long)g->from, (unsigned long long)g->to);
    vd_hex_encode(vd_span_of(g->prev, 32), &line);
    vd_buf_str(&line, "\",\"key\":\"");
    vd_buf_add(&line, vd_jv_str_raw(vd_jv_get(vd_json_root(j), "x")));
    vd_buf_str(&line, "\"}\n");
    VD_TRY(vd_buf_check(&line, err));
    return g->sink(g->ctx, vd_buf_span(&line), err);
}

static vd_rc check_range(const struct range *g, const struct vd_verify *v, vd_err *err)
{
    const struct vd_audit_report *r = &v->report;
    if (g->want_from > g->want_to || g->want_from < r->first_seq || g->from == 0)
        return vd_fail(err, VD_E_NOT_FOUND, "records %llu to %llu: there are %llu to %llu",
                       (unsigned long long)g->want_from, (unsigned long long)g->want_to,
                       (unsigned long long)r->first_seq, (unsigned long long)r->last_seq);
    if (g->to == 0)
        return vd_fail(err, VD_E_NOT_FOUND,
                       "record %llu is not signed yet: checkpoints reach to %llu",
                       (unsigned long long)g->want_to, (unsigned long long)r->signed_to);
    return VD_OK;
}

vd_rc vd_audit_export(const struct vd_audit_check *check, uint64_t from, uint64_t to,
                      vd_audit_sink sink, void *ctx, struct vd_audit_report *ret, vd_err *err)
{
    struct range g = { .want_from = from,
                       .want_to = to,
                       .first_of_tree = true,
                       .sink = sink,
                       .ctx = ctx,
                       .ret = ret };
    VD_AUTO_VERIFY v = { .each = find, .ctx = &g };
    VD_AUTO_VERIFY again = { .each = write_record, .ctx = &g };
    VD_TRY(vd_verify_run(&v, check, err));
    VD_TRY(check_range(&g, &v, err));
    *ret = v.report;
    ret->part = true;
    ret->first_seq = g.from;
    ret->last_seq = g.to;
    ret->signed_to = g.to - 1;
    ret->records = 0;
    ret->checkpoints = 0;
    VD_TRY(write_first_line(&g, &v, err));
    return vd_verify_run(&again, check, err);
}
