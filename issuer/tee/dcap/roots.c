/* Intel's root; see roots.h. Its public key stands here a second time, so that neither a changed
 * file nor a changed build can replace it silently. Origin: keys/SOURCE.md. */
#include "issuer/tee/dcap/roots.h"

#include <string.h>

#include "issuer/tee/dcap/cert_priv.h"
#include "shared/base/slurp.h"
#include "shared/crypto/hash.h"

extern const uint8_t dcap_keys_root[];
extern const size_t dcap_keys_root_n;

enum { POINT = 65, EXTRA_FILE_BYTES = 65536 };

static const uint8_t pinned[POINT] = {
    0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6,
    0xb0, 0x2c, 0xda, 0x10, 0xa8, 0xbb, 0xd4, 0xe8, 0x8e, 0x48, 0xb4, 0x45, 0x85,
    0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5, 0x67, 0x91, 0x8e, 0x2e, 0xdc, 0x88,
    0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a, 0xac, 0xc9, 0x88, 0xe5,
    0x05, 0xa9, 0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94,
};

/* Takes the certificate over. */
static vd_rc add(struct dcap_roots *roots, struct vd_cert *cert, bool simulated, vd_err *err)
{
    struct dcap_root *r = &roots->item[roots->n++];
    r->cert = cert;
    r->simulated = simulated;
    r->key = vd_cert_key(cert);
    VD_TRY(dcap_cert_check(cert, DCAP_ROLE_ROOT, NULL, err));
    VD_TRY(vd_cert_signed_es256(cert, cert, err));
    VD_AUTO_BUF spki = vd_buf_of(DCAP_SPKI);
    VD_TRY(vd_key_to_spki(r->key, &spki, err));
    if (spki.n != DCAP_SPKI)
        return vd_fail(err, VD_E_INTERNAL, "dcap: a root's key");
    memcpy(r->spki, spki.p, DCAP_SPKI);
    /* the point ends the structure */
    vd_span point = vd_span_of(r->spki + DCAP_SPKI - POINT, POINT);
    if (!simulated && !vd_span_eq(point, vd_span_of(pinned, sizeof pinned)))
        return vd_fail(err, VD_E_INTERNAL,
                       "dcap: the built-in root certificate has not Intel's pinned key; rebuild "
                       "from clean sources");
    return vd_hash_of(VD_SHA384, point, r->key_id, err);
}

static vd_rc add_extra(struct dcap_roots *roots, const char *path, vd_err *err)
{
    if (roots->n == DCAP_ROOTS_MAX)
        return vd_fail(err, VD_E_CONFIG, "%s: at most %d simulated DCAP roots", path,
                       DCAP_ROOTS_MAX - 1);
    VD_AUTO_BUF pem = vd_buf_of(EXTRA_FILE_BYTES);
    vd_err cause = { 0 };
    struct vd_cert *cert = NULL;
    vd_rc_ rc = vd_file_read(path, EXTRA_FILE_BYTES, &pem, NULL, &cause);
    if (rc.code == VD_E_OK)
        rc = vd_cert_parse(vd_buf_span(&pem), &cert, &cause);
    if (rc.code == VD_E_OK)
        rc = add(roots, cert, true, &cause);
    if (rc.code == VD_E_OK && vd_key_same(roots->item[roots->n - 1].key, roots->item[0].key))
        rc = vd_fail(&cause, VD_E_CONFIG, "Intel's own root is not a simulated one");
    if (rc.code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s: not a self-signed DCAP root certificate: %s", path,
                       cause.msg);
    return VD_OK;
}

vd_rc dcap_roots_new(const char *const *extra, size_t n_extra, struct dcap_roots **ret, vd_err *err)
{
    VD_AUTO(dcap_roots_free) struct dcap_roots *roots = calloc(1, sizeof *roots);
    if (!roots)
        return vd_fail(err, VD_E_NOMEM, "dcap roots");
    struct vd_cert *intel = NULL;
    VD_TRY(vd_cert_parse(vd_span_of(dcap_keys_root, dcap_keys_root_n), &intel, err));
    VD_TRY(add(roots, intel, false, err));
    for (size_t i = 0; i < n_extra; i++)
        VD_TRY(add_extra(roots, extra[i], err));
    *ret = VD_TAKE(roots);
    return VD_OK;
}

void dcap_roots_free(struct dcap_roots *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        vd_cert_unref(r->item[i].cert);
        vd_key_unref(r->item[i].key);
    }
    free(r);
}

const struct dcap_root *dcap_roots_find(const struct dcap_roots *r, const struct vd_cert *cert)
{
    VD_AUTO(vd_key_unref) struct vd_key *key = vd_cert_key(cert);
    for (size_t i = 0; key && i < r->n; i++)
        if (vd_key_same(key, r->item[i].key))
            return &r->item[i];
    return NULL;
}

const struct dcap_root *dcap_roots_find_spki(const struct dcap_roots *r, vd_span spki)
{
    for (size_t i = 0; i < r->n; i++)
        if (vd_span_eq(spki, vd_span_of(r->item[i].spki, DCAP_SPKI)))
            return &r->item[i];
    return NULL;
}
