/* AMD's pinned roots (keys/amd, embedded) and, for simulated guests, further ones from the
 * configuration. A chain is accepted to one of these and to nothing that evidence brings along. */
#pragma once

#include "issuer/tee/snp/report.h"
#include "shared/crypto/x509.h"

enum { SNP_ROOTS_MAX = 16 };

struct snp_root {
    enum snp_line line;
    bool simulated; /* from the configuration */
    struct vd_cert *ark;
    struct vd_cert *ask;  /* signs VCEKs */
    struct vd_cert *asvk; /* signs VLEKs; NULL when a simulated root has none */
    char ark_sha256[65];  /* hex */
};
struct snp_roots {
    struct snp_root item[SNP_ROOTS_MAX]; /* AMD's first */
    size_t n;
};
/* extra: PEM files, each with one self-issued root and what it signed; the names end in the line:
 * "-Milan". VD_E_CONFIG names the file; VD_E_INTERNAL: an embedded certificate is not the pinned
 * one. */
vd_rc snp_roots_new(const char *const *extra, size_t n_extra, struct snp_roots **ret, vd_err *err);
void snp_roots_free(struct snp_roots *r);
VD_DEFINE_CLEANUP(struct snp_roots, snp_roots_free)
