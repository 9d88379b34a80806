/* SNP evidence as the guest components send it: the report as JSON fields, and certificates. The
 * signature is over bytes, so the fields are put back into the 1184 bytes that the processor
 * signed, with zeros in every reserved place. */
#pragma once

#include "issuer/tee/snp/report.h"
#include "shared/codec/json.h"

enum { SNP_CERTS_MAX = 16, SNP_CERT_BYTES = 8192 };

struct snp_evidence {
    uint8_t report[SNP_REPORT_BYTES];
    bool has_chain;  /* cert_chain is an array; without one the verifier looks the certificate up */
    unsigned n_vcek; /* entries of that type */
    unsigned n_vlek;
    vd_buf vcek; /* the first entry of the type, DER or PEM; empty when there is none */
    vd_buf vlek;
};
/* VD_E_BAD_EVIDENCE: shape, presence rules; VD_E_EVIDENCE_VERSION; VD_E_PRODUCT: processor without
 * a root. The struct must be released with snp_evidence_done whatever the result. */
vd_rc snp_json_parse(vd_jv evidence, struct snp_evidence *ret, vd_err *err);
/* The same in two steps, the report first: what it says may spare the certificates. */
vd_rc snp_json_report(vd_jv evidence, struct snp_evidence *ret, vd_err *err);
vd_rc snp_json_certs(vd_jv evidence, struct snp_evidence *e, vd_err *err);
void snp_evidence_done(struct snp_evidence *e);
#define SNP_AUTO_EVIDENCE __attribute__((cleanup(snp_evidence_done))) struct snp_evidence
