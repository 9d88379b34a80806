/* The key that signs checkpoints: its own key pair, made by init, so that neither administrators
 * nor passports can be signed with it. Sealed under the root key beside the record; the public half
 * lies open for auditors. */
#include "shared/audit/audit_priv.h"

#include "shared/base/file.h"
#include "shared/crypto/seal.h"

enum { KEY_FILE = 4096 };

static const char purpose[] = "audit checkpoint key";

static vd_rc save(const struct vd_key *key, const char *name, const uint8_t root[32], vd_err *err)
{
    VD_AUTO_SECRET wrap = { 0 };
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO_BUF sealed = vd_buf_of(KEY_FILE);
    VD_TRY(vd_secret_new(VD_SEAL_KEY, &wrap, err));
    vd_derive(root, purpose, wrap.p);
    VD_TRY(vd_key_to_pem_private(key, false, &pem, err));
    VD_TRY(vd_seal(wrap.p, vd_secret_span(&pem), vd_span_str(purpose), &sealed, err));
    return vd_file_create(name, vd_buf_span(&sealed), err);
}

vd_rc vd_audit_key_create(const char *path, const uint8_t root[32], vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF name = vd_buf_of(8192);
    VD_AUTO_BUF public_name = vd_buf_of(8192);
    VD_AUTO_BUF public_pem = vd_buf_of(KEY_FILE);
    VD_TRY(vd_audit_beside(path, ".key", &name, err));
    VD_TRY(vd_audit_beside(path, ".pub", &public_name, err));
    VD_TRY(vd_key_generate(VD_KTY_ED25519, 0, &key, err));
    VD_TRY(vd_key_to_pem_public(key, &public_pem, err));
    VD_TRY(save(key, vd_buf_cstr(&name), root, err));
    vd_rc_ rc = vd_file_create(vd_buf_cstr(&public_name), vd_buf_span(&public_pem), err);
    if (rc.code != VD_E_OK)
        (void)unlink(vd_buf_cstr(&name));
    return rc;
}

vd_rc vd_audit_key_load(const char *path, const uint8_t root[32], struct vd_key **ret, vd_err *err)
{
    VD_AUTO_SECRET wrap = { 0 };
    VD_AUTO_SECRET sealed = { 0 };
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF name = vd_buf_of(8192);
    VD_TRY(vd_audit_beside(path, ".key", &name, err));
    if (!vd_file_exists(vd_buf_cstr(&name)))
        return vd_fail(err, VD_E_FILE,
                       "%s: the key that signs the audit record is missing; restore it from a "
                       "backup",
                       vd_buf_cstr(&name));
    VD_TRY(vd_secret_read_file(vd_buf_cstr(&name), KEY_FILE, true, &sealed, err));
    VD_TRY(vd_secret_new(VD_SEAL_KEY, &wrap, err));
    vd_derive(root, purpose, wrap.p);
    vd_rc_ rc = vd_unseal_secret(wrap.p, vd_secret_span(&sealed), vd_span_str(purpose), &pem, NULL);
    if (rc.code == VD_E_OK)
        rc = vd_key_from_pem(vd_secret_span(&pem), &key, NULL);
    if (rc.code == VD_E_NOMEM)
        return vd_fail(err, VD_E_NOMEM, "%s", vd_buf_cstr(&name));
    if (rc.code != VD_E_OK || vd_key_type(key) != VD_KTY_ED25519 || !vd_key_private(key))
        return vd_fail(err, VD_E_STORE_CORRUPT,
                       "%s: is damaged, or was sealed under another root key; restore it from a "
                       "backup",
                       vd_buf_cstr(&name));
    *ret = VD_TAKE(key);
    return VD_OK;
}
