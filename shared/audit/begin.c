/* The first record of a file: whose record it is, under which random name it goes on over its
 * files, which key signs it, and what of the files before must be known at a start. */
#include "shared/audit/audit_priv.h"

#include "shared/codec/json.h"

enum { FORMAT = 1 };

vd_rc vd_audit_begin_write(const struct vd_audit_begin *b, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "program", b->program);
    vd_jw_ku64(&w, "format", FORMAT);
    vd_jw_kstr(&w, "log", b->log);
    if (b->key.n > 0) {
        vd_jw_key(&w, "key");
        vd_jw_raw(&w, b->key);
    }
    if (b->continues) {
        vd_jw_kstr(&w, "continues", b->continues);
        vd_jw_ku64(&w, "last_done", b->last_done);
        vd_jw_key(&w, "intents");
        vd_jw_arr(&w);
        for (size_t i = 0; i < b->n_intents; i++)
            vd_jw_u64(&w, b->intents[i]);
        vd_jw_end(&w);
    }
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc word_of(vd_jv v, char *ret, size_t room, vd_err *err)
{
    vd_rd r = vd_rd_of(vd_jv_str_raw(v));
    if (!vd_audit_take_word(&r, ret, room) || !vd_rd_end(&r))
        return vd_fail(err, VD_E_SYNTAX, "is damaged");
    return VD_OK;
}

vd_rc vd_audit_begin_parse(vd_span detail, struct vd_audit_begin *ret, vd_buf *key_jwk, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    struct vd_audit_begin b = { 0 };
    uint64_t format = 0;
    vd_err none = { 0 };
    vd_rc_ rc = vd_json_parse(detail, VD_JSON_LIMITS(VD_AUDIT_DETAIL), &j, &none);
    if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code == VD_E_NOMEM ? VD_E_NOMEM : VD_E_SYNTAX, "is damaged");
    vd_jv root = vd_json_root(j);
    if (vd_jv_u64(vd_jv_get(root, "format"), 1000, &format, &none).code != VD_E_OK ||
        format != FORMAT)
        return vd_fail(err, VD_E_CONFIG, "was written by a newer version; start that version");
    VD_TRY(word_of(vd_jv_get(root, "program"), b.program, sizeof b.program, err));
    VD_TRY(word_of(vd_jv_get(root, "log"), b.log, sizeof b.log, err));
    (void)!vd_jv_u64(vd_jv_get(root, "last_done"), INT64_MAX, &b.last_done, &none).code;
    vd_jv key = vd_jv_get(root, "key");
    if (vd_jv_ok(key) && key_jwk) {
        vd_buf_add(key_jwk, vd_jv_raw(key));
        VD_TRY(vd_buf_check(key_jwk, err));
        b.key = vd_buf_span(key_jwk);
    }
    *ret = b;
    return VD_OK;
}

vd_rc vd_audit_begin_intents(vd_span detail, vd_audit_intent each, void *ctx, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_TRY(vd_json_parse(detail, VD_JSON_LIMITS(VD_AUDIT_DETAIL), &j, err));
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(j), "intents"));
    while (vd_jv_next(&it)) {
        uint64_t seq = 0;
        VD_TRY(vd_jv_u64(it.value, INT64_MAX, &seq, err));
        VD_TRY(each(ctx, seq, err));
    }
    return VD_OK;
}
