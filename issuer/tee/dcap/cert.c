/* Roles of parsed certificates; see cert_priv.h. */
#include "issuer/tee/dcap/cert_priv.h"

vd_rc dcap_cert_check(const struct vd_cert *cert, enum dcap_role role, enum dcap_ca *ret_ca,
                      vd_err *err)
{
    struct dcap_x509 x;
    VD_TRY(dcap_x509_parse(vd_cert_der(cert), &x, err));
    VD_TRY(dcap_x509_role(&x, role, ret_ca, err));
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    return dcap_x509_key(&x, &key, err);
}
