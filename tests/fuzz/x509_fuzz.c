/* Targets vd_cert_parse, vd_certs_parse_pem, vd_crl_parse and everything that reads from what they
 * accept. */
#include <stdlib.h>

#include "shared/crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct vd_cert *c)
{
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    VD_AUTO(vd_key_unref) struct vd_key *k = vd_cert_key(c);
    VD_AUTO(vd_cert_unref) struct vd_cert *again = NULL;
    vd_span ext = VD_SPAN_NONE;
    (void)(k && vd_key_private(k));
    (void)vd_cert_subject_cn(c, &text, NULL).code;
    (void)vd_cert_issuer_cn(c, &text, NULL).code;
    (void)vd_cert_serial(c, &text, NULL).code;
    (void)vd_cert_ext(c, "2.5.29.17", &ext, NULL).code;
    (void)vd_cert_has_san_dns(c, "issuer.example");
    (void)vd_cert_signed_pss_sha384(c);
    const struct vd_chain_opts opts = { .at = 1780272000, .check_time = true, .partial = true };
    (void)vd_chain_verify(c, &c, 1, &c, 1, &opts, NULL).code;
    if (vd_cert_parse(vd_cert_der(c), &again, NULL).code != VD_E_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    if (vd_base_init(NULL).code != VD_E_OK)
        abort();
    VD_AUTO(vd_cert_unref) struct vd_cert *c = NULL;
    VD_AUTO(vd_certs_free) struct vd_certs *all = NULL;
    VD_AUTO(vd_crl_unref) struct vd_crl *l = NULL;
    if (vd_cert_parse(in, &c, NULL).code == VD_E_OK)
        read_all(c);
    if (vd_certs_parse_pem(in, 8, &all, NULL).code == VD_E_OK)
        for (size_t i = 0; i < all->n; i++)
            read_all(all->item[i]);
    if (vd_crl_parse(in, &l, NULL).code == VD_E_OK) {
        (void)vd_crl_next_update(l);
        if (c)
            (void)(vd_crl_check(l, c, 1780272000, NULL).code + vd_crl_lists(l, c));
    }
    return 0;
}
