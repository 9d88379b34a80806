/* The verb accept-rollback: an administrator at the machine says that an older store, or an older
 * audit file, is what he wants to go on with. Nothing else of a start is skipped: chain, seals and
 * signatures must hold. It is recorded with his uid, and signed. */
#include <stdio.h>
#include <unistd.h>

#include "shared/crypto/seal.h"
#include "shared/program/server_priv.h"

/* What a start would refuse; empty when nothing. */
static vd_rc find_loss(struct vd_server *s, vd_buf *out, vd_err *err)
{
    vd_err own = { 0 };
    const char *behind = vd_audit_behind(s->audit);
    if (behind)
        vd_buf_printf(out, "%s\n", behind);
    vd_rc_ rc = vd_change_check(s->audit, s->store, &own);
    if (rc.code == VD_E_STORE_CORRUPT)
        vd_buf_printf(out, "%s\n", own.msg);
    else if (rc.code != VD_E_OK)
        return vd_fail(err, rc.code, "%s", own.msg);
    return vd_buf_check(out, err);
}

static vd_rc accept(struct vd_server *s, const struct vd_options *o, vd_err *err)
{
    char who[48];
    VD_AUTO_BUF loss = vd_buf_of(4096);
    VD_TRY(find_loss(s, &loss, err));
    if (loss.n == 0) {
        (void)printf("nothing was rolled back: serve starts\n");
        return VD_OK;
    }
    (void)printf("%.*s", (int)loss.n, (const char *)loss.p);
    if (!o->yes)
        return vd_fail(err, VD_E_CONFIG, "nothing was done; add --yes to accept this loss");
    (void)snprintf(who, sizeof who, "console uid %lu", (unsigned long)getuid());
    VD_TRY(vd_change_accept_rollback(s->audit, who, err));
    VD_TRY(vd_change_recover(s->audit, s->store, err));
    (void)printf("accepted and recorded as %s\n", who);
    return VD_OK;
}

static vd_rc run(struct vd_server *s, const struct vd_options *o,
                 const struct vd_state_paths *paths, vd_err *err)
{
    VD_TRY(vd_root_key_load(paths->root_file, paths->passphrase, paths->salt, &s->root, err));
    const struct vd_store_cfg store = { paths->store, s->program, s->root.p };
    VD_TRY(vd_store_open(&store, &s->store, err));
    VD_TRY(vd_server_audit(s, paths, true, err));
    return accept(s, o, err);
}

vd_rc vd_accept_rollback(const struct vd_program *p, const struct vd_options *o, vd_err *err)
{
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    VD_AUTO_STATE paths = { 0 };
    VD_AUTO_FD int lock = -1;
    VD_TRY(vd_program_load(p, o, &c, err));
    VD_TRY(vd_state_paths_of(c, &paths, err));
    VD_TRY(vd_state_check(p, o, &paths, err));
    VD_TRY(vd_base_harden(err));
    VD_TRY(vd_lock_take(paths.store, p->name, &lock, err));
    struct vd_server s = { 0 };
    vd_rc_ rc = vd_server_begin(p, c, &s, err);
    if (rc.code == VD_E_OK)
        rc = run(&s, o, &paths, err);
    vd_server_end(&s);
    return rc;
}
