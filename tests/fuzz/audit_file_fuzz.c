/* vd_audit_verify, vd_audit_receipt_check: what an auditor is given by somebody else. The input is
 * taken for a whole file (a record, or an export with its first line), for a receipt, and for a
 * kept head. */
#include <stdio.h>
#include <sys/mman.h>

#include "shared/audit/audit.h"
#include "shared/base/secret.h"

/* The key of the record that the corpus comes from. */
static const char jwk[] =
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"u-7sDM5LCmg5ow7cZRDQhAyDc1Kpz-plIwfTKV4dcAc\"}";

static struct vd_key *public_key(void)
{
    struct vd_key *key = NULL;
    if (vd_base_init(NULL).code != VD_E_OK ||
        vd_key_from_jwk_text(vd_span_str(jwk), VD_KEY_VERIFY, &key, NULL).code != VD_E_OK)
        abort();
    return key;
}

static void as_file(vd_span in, struct vd_key *key)
{
    char path[64];
    struct vd_audit_report r = { 0 };
    VD_AUTO_FD int fd = memfd_create("record", MFD_CLOEXEC);
    if (fd < 0 || write(fd, in.p, in.n) != (ssize_t)in.n)
        return;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *const file[] = { path };
    struct vd_audit_check check = { .file = file, .n = 1, .key = key };
    if (vd_audit_verify_files(&check, &r, NULL).code == VD_E_OK &&
        (r.records == 0 || r.last_seq < r.first_seq || r.signed_to > r.last_seq))
        abort();
    (void)!vd_audit_verify(path, &r, NULL).code;
}

static void as_head(vd_span in, struct vd_key *key)
{
    struct vd_audit_report r;
    struct vd_audit_check check = { .key = key, .head = in };
    (void)!vd_audit_verify_files(&check, &r, NULL).code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = public_key();
    struct vd_audit_receipt_facts facts;
    vd_span in = vd_span_of(data, size);
    as_file(in, key);
    as_head(in, key);
    (void)!vd_audit_receipt_check(in, key, VD_SPAN_NONE, &facts, NULL).code;
    return 0;
}
