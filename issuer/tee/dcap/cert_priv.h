/* Single certificates of Intel's PKI: what each role must look like (Intel SGX PCK certificate and
 * CRL specification), whoever signed it. A role is a name and constraints together: one alone would
 * let a CA sign TCB info. */
#pragma once

#include "issuer/tee/dcap/pck.h"
#include "issuer/tee/dcap/roots.h"
#include "shared/crypto/hash.h"
#include "shared/crypto/x509_facts.h"

enum dcap_role { DCAP_ROLE_ROOT, DCAP_ROLE_CA, DCAP_ROLE_PCK, DCAP_ROLE_TCB_SIGNING };

/* Common name, version 3, P-256, basicConstraints and keyUsage of the role. ret_ca: of a CA, may be
 * NULL. VD_E_CHAIN. */
vd_rc dcap_cert_check(const struct vd_cert *cert, enum dcap_role role, enum dcap_ca *ret_ca,
                      vd_err *err);
/* Serial number, zeros in front. VD_E_CHAIN: longer. */
vd_rc dcap_cert_serial(const struct vd_cert *cert, uint8_t ret[20], vd_err *err);
/* Where the first certificate with a pinned root's key stands in a list; n: none. */
size_t dcap_certs_root(const struct vd_certs *certs, const struct dcap_roots *roots,
                       const struct dcap_root **ret);
