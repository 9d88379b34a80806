/* Inclusion receipts: one record, the path from it to the root of its checkpoint, and the
 * checkpoint. Made from the record's own files; checked with nothing but the public key. */
#include "shared/audit/audit_priv.h"

#include "shared/codec/b64.h"
#include "shared/codec/json.h"

enum { LEAVES_BYTES = 64 << 20, PATH_BYTES = 32 * VD_MERKLE_LEVELS, RECEIPT_BYTES = 2 << 20 };

/* ---- making ---------------------------------------------------------------------------------- */

struct search {
    uint64_t seq;
    bool found;
    vd_buf record;
    vd_buf checkpoint; /* the one behind it */
    struct vd_audit_checkpoint facts;
};

static vd_rc find_both(void *ctx, uint64_t seq, vd_span text, bool *ret_stop, vd_err *err)
{
    struct search *s = ctx;
    struct vd_audit_line line;
    if (seq == s->seq) {
        s->found = true;
        vd_buf_add(&s->record, text);
    }
    if (!s->found) { /* the walk began behind it: its file is gone */
        *ret_stop = true;
        return VD_OK;
    }
    VD_TRY(vd_audit_line_parse(text, &line, err));
    if (!vd_span_eq_str(line.event, VD_AUDIT_CHECKPOINT))
        return VD_OK;
    *ret_stop = true;
    vd_buf_add(&s->checkpoint, text);
    VD_TRY(vd_buf_check(&s->checkpoint, err));
    return vd_audit_checkpoint_parse(&line, &s->facts, err);
}

struct leaves {
    uint64_t to;
    vd_buf hash;
};

static vd_rc add_leaf(void *ctx, uint64_t seq, vd_span text, bool *ret_stop, vd_err *err)
{
    struct leaves *l = ctx;
    uint8_t *p = vd_buf_extend(&l->hash, 32);
    if (!p)
        return vd_buf_check(&l->hash, err);
    *ret_stop = seq >= l->to;
    return vd_merkle_leaf(text, p, err);
}

static vd_rc write_receipt(const struct search *s, vd_span path, vd_buf *out, vd_err *err)
{
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "receipt", 1);
    vd_jw_ku64(&w, "seq", s->seq);
    vd_jw_kspan(&w, "record", vd_buf_span(&s->record));
    vd_jw_key(&w, "path");
    vd_jw_arr(&w);
    for (size_t at = 0; at < path.n; at += 32)
        vd_jw_hex(&w, vd_span_part(path, at, 32));
    vd_jw_end(&w);
    vd_jw_kspan(&w, "checkpoint", vd_buf_span(&s->checkpoint));
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}

static vd_rc no_receipt(const struct vd_audit *a, uint64_t seq, const char *why, vd_err *err)
{
    return vd_fail(err, VD_E_NOT_FOUND, "%s: record %llu %s", a->path, (unsigned long long)seq,
                   why);
}

static vd_rc make(struct vd_audit *a, struct search *s, vd_buf *out, vd_err *err)
{
    struct leaves l = { .hash = vd_buf_of(LEAVES_BYTES) };
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    VD_TRY(vd_audit_walk(a, s->seq, find_both, s, err));
    if (!s->found)
        return no_receipt(a, s->seq, "is in a file that was put away", err);
    if (s->checkpoint.n == 0)
        return vd_fail(err, VD_E_AUDIT, "%s: record %llu has no checkpoint", a->path,
                       (unsigned long long)s->seq);
    if (s->seq > s->facts.to)
        return no_receipt(a, s->seq, "is a checkpoint itself", err);
    l.to = s->facts.to;
    size_t n = (size_t)(s->facts.to - s->facts.from + 1);
    vd_rc_ rc = vd_audit_walk(a, s->facts.from, add_leaf, &l, err);
    if (rc.code == VD_E_OK && l.hash.n != 32 * n)
        rc = vd_fail(err, VD_E_AUDIT, "%s: records of a checkpoint are missing", a->path);
    if (rc.code == VD_E_OK)
        rc = vd_merkle_path(l.hash.p, n, (size_t)(s->seq - s->facts.from), &path, err);
    vd_buf_done(&l.hash);
    return rc.code == VD_E_OK ? write_receipt(s, vd_buf_span(&path), out, err) : rc;
}

vd_rc vd_audit_receipt(struct vd_audit *a, uint64_t seq, vd_buf *out, vd_err *err)
{
    struct search s = { .seq = seq,
                        .record = vd_buf_of(VD_AUDIT_LINE),
                        .checkpoint = vd_buf_of(VD_AUDIT_LINE) };
    if (!a->signer)
        return vd_fail(err, VD_E_UNAVAILABLE, "%s: has no key that signs checkpoints", a->path);
    if (seq == 0 || seq > vd_audit_seq(a))
        return no_receipt(a, seq, "does not exist", err);
    if (seq >= atomic_load(&a->signed_next))
        VD_TRY(vd_audit_checkpoint(a, err));
    vd_rc_ rc = make(a, &s, out, err);
    vd_buf_done(&s.record);
    vd_buf_done(&s.checkpoint);
    return rc;
}

/* ---- checking -------------------------------------------------------------------------------- */

static vd_rc refused(const char *what, vd_err *err)
{
    return vd_fail(err, VD_E_STORE_CORRUPT, "receipt: %s", what);
}

static vd_rc read_path(vd_jv v, vd_buf *out, vd_err *err)
{
    vd_jv_iter it = vd_jv_iter_of(v);
    while (vd_jv_next(&it)) {
        size_t before = out->n;
        if (vd_hex_decode(vd_jv_str_raw(it.value), out, NULL).code != VD_E_OK ||
            out->n != before + 32)
            return refused("a part of its path is no hash", err);
    }
    return VD_OK;
}

static vd_rc check_lines(const struct vd_audit_line *record, const struct vd_audit_checkpoint *c,
                         vd_span path, vd_err *err)
{
    uint8_t leaf[32];
    uint8_t root[32];
    if (record->seq < c->from || record->seq > c->to)
        return refused("its record is not among those of its checkpoint", err);
    VD_TRY(vd_merkle_leaf(record->text, leaf, err));
    VD_TRY(vd_merkle_follow(leaf, record->seq - c->from, c->to - c->from + 1, path, root, err));
    if (!vd_span_eq(vd_span_of(root, 32), vd_span_of(c->root, 32)))
        return refused("its path does not lead to the signed root: record or path were changed",
                       err);
    return VD_OK;
}

static vd_rc check_texts(vd_span text, vd_span checkpoint, vd_span path, const struct vd_key *key,
                         struct vd_audit_receipt_facts *ret, vd_err *err)
{
    struct vd_audit_line record, mark;
    struct vd_audit_checkpoint c;
    if (vd_audit_line_parse(text, &record, NULL).code != VD_E_OK)
        return refused("its record is no line of an audit record, or was changed", err);
    if (vd_audit_line_parse(checkpoint, &mark, NULL).code != VD_E_OK ||
        vd_audit_checkpoint_parse(&mark, &c, NULL).code != VD_E_OK)
        return refused("its checkpoint is none, or was changed", err);
    if (vd_audit_checkpoint_verify(&c, mark.time, key, NULL).code != VD_E_OK)
        return refused("its checkpoint was not signed by this key", err);
    VD_TRY(check_lines(&record, &c, path, err));
    *ret = (struct vd_audit_receipt_facts){ .seq = record.seq, .checkpoint = mark.seq };
    memcpy(ret->time, record.time.p, record.time.n);
    memcpy(ret->event, record.event.p, record.event.n);
    memcpy(ret->program, c.program, sizeof ret->program);
    memcpy(ret->log, c.log, sizeof ret->log);
    return VD_OK;
}

vd_rc vd_audit_receipt_check(vd_span receipt, const struct vd_key *key, vd_span record,
                             struct vd_audit_receipt_facts *ret, vd_err *err)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_AUTO_BUF text = vd_buf_of(VD_AUDIT_LINE);
    VD_AUTO_BUF checkpoint = vd_buf_of(VD_AUDIT_LINE);
    VD_AUTO_BUF path = vd_buf_of(PATH_BYTES);
    vd_err none = { 0 };
    uint64_t form = 0;
    uint64_t seq = 0;
    if (vd_json_parse(receipt, VD_JSON_LIMITS(RECEIPT_BYTES), &j, &none).code != VD_E_OK)
        return refused(none.msg, err);
    vd_jv root = vd_json_root(j);
    if (vd_jv_u64(vd_jv_get(root, "receipt"), 1000, &form, &none).code != VD_E_OK || form != 1)
        return refused("is none of a form that is known here", err);
    if (vd_jv_str(vd_jv_get(root, "record"), &text, &none).code != VD_E_OK ||
        vd_jv_str(vd_jv_get(root, "checkpoint"), &checkpoint, &none).code != VD_E_OK ||
        vd_jv_u64(vd_jv_get(root, "seq"), INT64_MAX, &seq, &none).code != VD_E_OK)
        return refused("record, checkpoint or seq is missing", err);
    VD_TRY(read_path(vd_jv_get(root, "path"), &path, err));
    if (record.n > 0 && !vd_span_eq(record, vd_buf_span(&text)))
        return refused("is about another record", err);
    VD_TRY(check_texts(vd_buf_span(&text), vd_buf_span(&checkpoint), vd_buf_span(&path), key, ret,
                       err));
    return ret->seq == seq ? VD_OK : refused("its seq is not that of its record", err);
}
