/* What the writer that is killed and the driver that kills it must agree on. */
#pragma once

#include "shared/audit/audit.h"
#include "shared/base/secret.h"
#include "shared/crypto/hash.h"
#include "shared/store/store.h"

/* Each thread of the writer has a group of names; some changes put all of a group in one step. */
enum { CRASH_THREADS = 4, CRASH_GROUP = 3 };

static const uint8_t crash_root[32] = { 0x63, 0x72, 0x61, 0x73, 0x68 };

struct crash_place {
    vd_buf store;
    vd_buf audit;
    struct vd_store_cfg store_cfg;
    struct vd_audit_cfg audit_cfg;
};

/* The record is signed and goes on in a new file often, so that kills hit checkpoints and rotations
 * too. false: no key. */
static inline bool crash_place_init(struct crash_place *p, const char *dir, bool create)
{
    p->store = vd_buf_of(4096);
    p->audit = vd_buf_of(4096);
    vd_buf_printf(&p->store, "%s/store.db", dir);
    vd_buf_printf(&p->audit, "%s/audit.log", dir);
    p->store_cfg = (struct vd_store_cfg){ .path = vd_buf_cstr(&p->store),
                                          .program = "broker",
                                          .root = crash_root };
    p->audit_cfg = (struct vd_audit_cfg){ .path = vd_buf_cstr(&p->audit),
                                          .reserve = 1 << 20,
                                          .clock = vd_clock_real(),
                                          .program = "broker",
                                          .checkpoint_records = 20,
                                          .checkpoint_seconds = 1,
                                          .rotate_bytes = 256 << 10 };
    if (create && vd_audit_key_create(p->audit_cfg.path, crash_root, NULL).code != VD_E_OK)
        return false;
    return vd_audit_key_load(p->audit_cfg.path, crash_root, &p->audit_cfg.signer, NULL).code ==
           VD_E_OK;
}

static inline void crash_place_done(struct crash_place *p)
{
    vd_key_unref(p->audit_cfg.signer);
    vd_buf_done(&p->store);
    vd_buf_done(&p->audit);
}

static inline void crash_name(unsigned thread, unsigned member, char ret[16])
{
    (void)snprintf(ret, 16, "t%u/m%u", thread, member);
}
