/* An administrator's change: said in the record before it is done, and after it (SHAPES section
 * 10). */
#include "shared/audit/audit_priv.h"

#include "shared/codec/json.h"
#include "shared/crypto/hash.h"
#include "shared/store/store.h"

/* A bulk change names its first objects; the store holds the rest under the same sequence. */
enum { NAMED_MAX = 100, NAMED_BYTES = 64 << 10 };

/* No digest of a sealed body: no digest of a plaintext secret exists anywhere. */
static vd_rc name_object(vd_jw *w, const struct vd_put *put, vd_err *err)
{
    vd_jw_obj(w);
    vd_jw_kstr(w, "owner", put->owner);
    vd_jw_kstr(w, "kind", put->kind);
    vd_jw_kstr(w, "name", put->name);
    vd_jw_kbool(w, "remove", put->remove);
    if (!put->remove && !put->sealed) {
        uint8_t sha256[32];
        VD_TRY(vd_hash_of(VD_SHA256, put->body, sha256, err));
        vd_jw_khex(w, "sha256", vd_span_of(sha256, sizeof sha256));
    }
    vd_jw_end(w);
    return VD_OK;
}

static vd_rc say_intent(struct vd_audit *a, const char *what, const char *identity,
                        const char *role, const struct vd_put *put, size_t n, uint64_t *ret_seq,
                        vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(VD_AUDIT_DETAIL);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "what", what);
    vd_jw_kstr(&w, "identity", identity);
    vd_jw_kstr(&w, "role", role);
    vd_jw_ku64(&w, "count", n);
    vd_jw_key(&w, "objects");
    vd_jw_arr(&w);
    for (size_t i = 0; i < n && i < NAMED_MAX && detail.n < NAMED_BYTES; i++)
        VD_TRY(name_object(&w, &put[i], err));
    vd_jw_end(&w);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    return vd_audit_append(a, "intent", vd_buf_span(&detail), VD_AUDIT_DURABLE | VD_AUDIT_ADMIN,
                           ret_seq, err);
}

/* The intent's number stands first: vd_audit_line_intent looks for it there. */
static void say_done(struct vd_audit *a, uint64_t intent, const struct vd_put *put, size_t n)
{
    VD_AUTO_BUF detail = vd_buf_of(VD_AUDIT_DETAIL);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "intent", intent);
    vd_jw_key(&w, "versions");
    vd_jw_arr(&w);
    for (size_t i = 0; i < n && i < NAMED_MAX; i++)
        vd_jw_u64(&w, put[i].ret_version);
    vd_jw_end(&w);
    vd_jw_end(&w);
    /* The change is in the store: a lost `done` is written again at the next start. */
    if (!detail.bad)
        (void)!vd_audit_append(a, "done", vd_buf_span(&detail), VD_AUDIT_LAZY | VD_AUDIT_ADMIN,
                               NULL, NULL)
            .code;
}

static void say_aborted(struct vd_audit *a, uint64_t intent, vd_code code)
{
    VD_AUTO_BUF detail = vd_buf_of(1024);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "intent", intent);
    vd_jw_kstr(&w, "reason", vd_error_row(code)->slug);
    vd_jw_end(&w);
    if (!detail.bad)
        (void)!vd_audit_append(a, "aborted", vd_buf_span(&detail), VD_AUDIT_LAZY | VD_AUDIT_ADMIN,
                               NULL, NULL)
            .code;
}

vd_rc vd_change(struct vd_audit *a, struct vd_store *s, const char *what, const char *identity,
                const char *role, struct vd_put *put, size_t n, vd_err *err)
{
    if (n == 0)
        return VD_OK;
    uint64_t intent = 0;
    VD_TRY(say_intent(a, what, identity, role, put, n, &intent, err));
    vd_rc_ rc = vd_store_put(s, put, n, intent, err);
    if (rc.code == VD_E_OK)
        say_done(a, intent, put, n);
    else if (!vd_store_in_doubt(s))
        say_aborted(a, intent, rc.code);
    /* else the commit is in doubt: the intent stays open until the store has been read back. */
    return rc;
}

struct recovery {
    struct vd_audit *a;
    struct vd_store *s;
};

static vd_rc close_open(void *ctx, uint64_t seq, vd_err *err)
{
    const struct recovery *r = ctx;
    bool there = false;
    VD_TRY(vd_store_has_audit_seq(r->s, seq, &there, err));
    VD_AUTO_BUF detail = vd_buf_of(256);
    vd_buf_printf(&detail, "{\"intent\":%llu,\"recovered\":true}", (unsigned long long)seq);
    VD_TRY(vd_buf_check(&detail, err));
    return vd_audit_append(r->a, there ? "done" : "aborted", vd_buf_span(&detail),
                           VD_AUDIT_DURABLE | VD_AUDIT_ADMIN, NULL, err);
}

vd_rc vd_change_check(struct vd_audit *a, struct vd_store *s, vd_err *err)
{
    bool there = true;
    if (a->last_done > 0)
        VD_TRY(vd_store_has_audit_seq(s, a->last_done, &there, err));
    if (!there)
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "the store lacks change %llu, which %s calls done: an older copy was put "
                       "back or its -wal file removed; restore the newest, or see: vidimus-%s "
                       "accept-rollback --help",
                       (unsigned long long)a->last_done, a->path, a->program);
    return VD_OK;
}

vd_rc vd_change_recover(struct vd_audit *a, struct vd_store *s, vd_err *err)
{
    VD_TRY(vd_change_check(a, s, err));
    struct recovery r = { a, s };
    return vd_audit_open_intents(a, close_open, &r, err);
}

vd_rc vd_change_accept_rollback(struct vd_audit *a, const char *identity, vd_err *err)
{
    VD_AUTO_BUF detail = vd_buf_of(4096);
    vd_jw w = vd_jw_of(&detail);
    vd_jw_obj(&w);
    vd_jw_ku64(&w, "last_change", a->last_done);
    vd_jw_kstr(&w, "identity", identity);
    if (a->behind)
        vd_jw_kstr(&w, "record", a->behind);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&detail, err));
    VD_TRY(vd_audit_append(a, "rollback-accepted", vd_buf_span(&detail),
                           VD_AUDIT_DURABLE | VD_AUDIT_ADMIN, NULL, err));
    free(a->behind);
    a->behind = NULL;
    /* The head file tells of this record from now on. */
    return a->signer ? vd_audit_checkpoint(a, err) : VD_OK;
}
