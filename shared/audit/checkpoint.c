/* Checkpoints: what is signed, how it stands in the record, and its strict reading. docs/audit.md
 * has the forms. */
#include "shared/audit/audit_priv.h"

#include "shared/codec/b64.h"

enum { SIGNED_BYTES = 1024 };

/* One line a fact, so that anybody can write it down again and check it with a stock tool. */
static vd_rc signed_text(const struct vd_audit_checkpoint *c, vd_span time, vd_buf *out,
                         vd_err *err)
{
    vd_buf_printf(out, "vidimus audit checkpoint 1\nprogram %s\nlog %s\nfrom %llu\nto %llu\ntime ",
                  c->program, c->log, (unsigned long long)c->from, (unsigned long long)c->to);
    vd_buf_add(out, time);
    vd_buf_str(out, "\nroot ");
    vd_hex_encode(vd_span_of(c->root, 32), out);
    vd_buf_str(out, "\nhead ");
    vd_hex_encode(vd_span_of(c->head, 32), out);
    vd_buf_str(out, "\n");
    return vd_buf_check(out, err);
}

vd_rc vd_audit_checkpoint_write(struct vd_audit_checkpoint *c, vd_span time,
                                const struct vd_key *signer, vd_buf *out, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(SIGNED_BYTES);
    VD_AUTO_BUF sig = vd_buf_of(VD_AUDIT_SIG);
    VD_TRY(vd_key_thumbprint(signer, c->key, err));
    VD_TRY(signed_text(c, time, &text, err));
    VD_TRY(vd_sign(signer, VD_SIG_EDDSA, vd_buf_span(&text), &sig, err));
    if (sig.n != VD_AUDIT_SIG)
        return vd_fail(err, VD_E_CRYPTO, "checkpoint: signature of %zu bytes", sig.n);
    memcpy(c->sig, sig.p, VD_AUDIT_SIG);
    vd_buf_printf(out, "{\"program\":\"%s\",\"log\":\"%s\",\"from\":%llu,\"to\":%llu,\"root\":\"",
                  c->program, c->log, (unsigned long long)c->from, (unsigned long long)c->to);
    vd_hex_encode(vd_span_of(c->root, 32), out);
    vd_buf_str(out, "\",\"head\":\"");
    vd_hex_encode(vd_span_of(c->head, 32), out);
    vd_buf_printf(out, "\",\"key\":\"%s\",\"sig\":\"", c->key);
    vd_hex_encode(vd_span_of(c->sig, VD_AUDIT_SIG), out);
    vd_buf_str(out, "\"}");
    return vd_buf_check(out, err);
}

vd_rc vd_audit_checkpoint_parse(const struct vd_audit_line *line, struct vd_audit_checkpoint *ret,
                                vd_err *err)
{
    struct vd_audit_checkpoint c = { 0 };
    vd_rd r = vd_rd_of(line->detail);
    bool ok =
        vd_span_eq_str(line->event, VD_AUDIT_CHECKPOINT) &&
        vd_audit_take_literal(&r, "{\"program\":\"") &&
        vd_audit_take_word(&r, c.program, sizeof c.program) &&
        vd_audit_take_literal(&r, "\",\"log\":\"") && vd_audit_take_word(&r, c.log, sizeof c.log) &&
        vd_audit_take_literal(&r, "\",\"from\":") && vd_audit_take_number(&r, &c.from) &&
        vd_audit_take_literal(&r, ",\"to\":") && vd_audit_take_number(&r, &c.to) &&
        vd_audit_take_literal(&r, ",\"root\":\"") && vd_audit_take_hex(&r, c.root, 32) &&
        vd_audit_take_literal(&r, "\",\"head\":\"") && vd_audit_take_hex(&r, c.head, 32) &&
        vd_audit_take_literal(&r, "\",\"key\":\"") && vd_audit_take_word(&r, c.key, sizeof c.key) &&
        vd_audit_take_literal(&r, "\",\"sig\":\"") && vd_audit_take_hex(&r, c.sig, VD_AUDIT_SIG) &&
        vd_audit_take_literal(&r, "\"}");
    if (!ok || !vd_rd_end(&r) || c.from > c.to)
        return vd_fail(err, VD_E_SYNTAX, "is no checkpoint of the form it must have");
    if (c.to + 1 != line->seq || !vd_span_eq(vd_span_of(c.head, 32), vd_span_of(line->prev, 32)))
        return vd_fail(err, VD_E_SYNTAX, "is a checkpoint of other records than those before it");
    *ret = c;
    return VD_OK;
}

vd_rc vd_audit_checkpoint_verify(const struct vd_audit_checkpoint *c, vd_span time,
                                 const struct vd_key *key, vd_err *err)
{
    VD_AUTO_BUF text = vd_buf_of(SIGNED_BYTES);
    VD_TRY(signed_text(c, time, &text, err));
    return vd_verify(key, VD_SIG_EDDSA, vd_buf_span(&text), vd_span_of(c->sig, VD_AUDIT_SIG), err);
}
