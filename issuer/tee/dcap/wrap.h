/* How a piece of DCAP collateral is kept: the document or CRL together with the issuer chain of its
 * response, so that the two can never come from different answers. And the spellings in which
 * services and tools hand such pieces out: percent-encoded chains, CRLs as DER, PEM or
 * hexadecimal. */
#pragma once

#include "shared/crypto/x509.h"

enum { DCAP_CHAIN_MAX = 65536 };

/* Appends "VDC1", the length of the chain in 4 bytes (big-endian), chain, body. */
void dcap_wrap(vd_span chain_pem, vd_span body, vd_buf *out);
/* Spans into `in`. VD_E_COLLATERAL_SYNTAX. */
vd_rc dcap_unwrap(vd_span in, vd_span *ret_chain, vd_span *ret_body, vd_err *err);

/* A chain as PEM: percent-encoding is undone when there is any. VD_E_COLLATERAL_SYNTAX. */
vd_rc dcap_chain_text(vd_span in, vd_buf *out, vd_err *err);
/* A CRL as DER, appended. VD_E_COLLATERAL_SYNTAX: neither DER nor PEM nor hexadecimal text of DER.
 */
vd_rc dcap_crl_der(vd_span in, vd_buf *out, vd_err *err);
/* One certificate as PEM, appended. */
void dcap_cert_pem(const struct vd_cert *cert, vd_buf *out);
/* Without NUL and white space at both ends: tools write strings with either. */
vd_span dcap_trim(vd_span s);
