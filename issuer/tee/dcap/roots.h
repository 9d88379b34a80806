/* Intel's pinned root (keys/intel, embedded) and, for simulated platforms, further ones from the
 * configuration. A chain is accepted to the key of one of these and to nothing that evidence or
 * collateral brings along. */
#pragma once

#include "shared/crypto/x509.h"

enum { DCAP_ROOTS_MAX = 8, DCAP_ROOT_KEY_ID = 48, DCAP_SPKI = 91 };

struct dcap_root {
    struct vd_cert *cert; /* self-signed */
    struct vd_key *key;
    bool simulated;                   /* from the configuration */
    uint8_t spki[DCAP_SPKI];          /* the key as certificates spell it */
    uint8_t key_id[DCAP_ROOT_KEY_ID]; /* SHA-384 of the uncompressed point */
};
struct dcap_roots {
    struct dcap_root item[DCAP_ROOTS_MAX]; /* Intel's first */
    size_t n;
};
/* extra: PEM files with one self-signed root each. VD_E_CONFIG names the file. */
vd_rc dcap_roots_new(const char *const *extra, size_t n_extra, struct dcap_roots **ret,
                     vd_err *err);
void dcap_roots_free(struct dcap_roots *r);
VD_DEFINE_CLEANUP(struct dcap_roots, dcap_roots_free)
/* The root with the certificate's key, or with this SubjectPublicKeyInfo; NULL: none. */
const struct dcap_root *dcap_roots_find(const struct dcap_roots *r, const struct vd_cert *cert);
const struct dcap_root *dcap_roots_find_spki(const struct dcap_roots *r, vd_span spki);
