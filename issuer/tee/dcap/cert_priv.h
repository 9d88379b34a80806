/* The same roles for certificates that the shared code has parsed. */
#pragma once

#include "issuer/tee/dcap/pki_priv.h"
#include "shared/crypto/x509_facts.h"

/* See dcap_x509_role; the key is on P-256. VD_E_CHAIN. */
vd_rc dcap_cert_check(const struct vd_cert *cert, enum dcap_role role, enum dcap_ca *ret_ca,
                      vd_err *err);
