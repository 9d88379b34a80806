/* Roles of certificates; see cert_priv.h. */
#include "issuer/tee/dcap/cert_priv.h"

enum { NAME_MAX_BYTES = 128, SERIAL = 20 };

static vd_rc check_name(const struct vd_cert *cert, enum dcap_role role, enum dcap_ca *ret_ca,
                        vd_err *err)
{
    static const char *const wanted[] = {
        [DCAP_ROLE_ROOT] = "Intel SGX Root CA",
        [DCAP_ROLE_CA] = "Intel SGX PCK Platform CA",
        [DCAP_ROLE_PCK] = "Intel SGX PCK Certificate",
        [DCAP_ROLE_TCB_SIGNING] = "Intel SGX TCB Signing",
    };
    VD_AUTO_BUF cn = vd_buf_of(NAME_MAX_BYTES);
    vd_rc_ rc = vd_cert_subject_cn(cert, &cn, NULL);
    vd_span name = rc.code == VD_E_OK ? vd_buf_span(&cn) : VD_SPAN_NONE;
    bool processor = role == DCAP_ROLE_CA && vd_span_eq_str(name, "Intel SGX PCK Processor CA");
    if (!processor && !vd_span_eq_str(name, wanted[role]))
        return vd_fail(err, VD_E_CHAIN, "certificate: its subject is not \"%s\"%s", wanted[role],
                       role == DCAP_ROLE_CA ? " or the Processor CA" : "");
    if (ret_ca)
        *ret_ca = processor ? DCAP_CA_PROCESSOR : DCAP_CA_PLATFORM;
    return VD_OK;
}

vd_rc dcap_cert_check(const struct vd_cert *cert, enum dcap_role role, enum dcap_ca *ret_ca,
                      vd_err *err)
{
    VD_TRY(check_name(cert, role, ret_ca, err));
    struct vd_cert_facts f = vd_cert_facts(cert);
    bool ca = role == DCAP_ROLE_ROOT || role == DCAP_ROLE_CA;
    if (f.version != 3 || f.unknown_critical)
        return vd_fail(err, VD_E_CHAIN,
                       "certificate: not of version 3, or with a critical extension that is not "
                       "known");
    if (!f.constraints || f.ca != ca)
        return vd_fail(err, VD_E_CHAIN, "certificate: it is %s, and should be %s",
                       f.ca ? "a CA" : "no CA", ca ? "one" : "none");
    if (role == DCAP_ROLE_ROOT && f.path_len == 0)
        return vd_fail(err, VD_E_CHAIN, "certificate: a root that allows no CA below it");
    bool usage = ca ? f.cert_sign && f.crl_sign : f.digital_signature && !f.cert_sign;
    if (!f.key_usage || !usage)
        return vd_fail(err, VD_E_CHAIN, "certificate: its key may not be used for this");
    VD_AUTO(vd_key_unref) struct vd_key *key = vd_cert_key(cert);
    if (!key || vd_key_type(key) != VD_KTY_P256)
        return vd_fail(err, VD_E_CHAIN, "certificate: its key is not on P-256");
    return VD_OK;
}

vd_rc dcap_cert_serial(const struct vd_cert *cert, uint8_t ret[20], vd_err *err)
{
    VD_AUTO_BUF serial = vd_buf_of(64);
    if (vd_cert_serial(cert, &serial, NULL).code != VD_E_OK || serial.n > SERIAL)
        return vd_fail(err, VD_E_CHAIN, "certificate: its serial number is longer than %d bytes",
                       SERIAL);
    for (size_t i = 0; i < SERIAL; i++)
        ret[i] = i < SERIAL - serial.n ? 0 : serial.p[i - (SERIAL - serial.n)];
    return VD_OK;
}

size_t dcap_certs_root(const struct vd_certs *certs, const struct dcap_roots *roots,
                       const struct dcap_root **ret)
{
    for (size_t i = 0; i < certs->n; i++) {
        const struct dcap_root *root = dcap_roots_find(roots, certs->item[i]);
        if (root) {
            *ret = root;
            return i;
        }
    }
    return certs->n;
}
