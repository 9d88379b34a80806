/* What Intel wrote into a PCK certificate: the platform's TCB and identity (extension
 * 1.2.840.113741.1.13.1; Intel SGX PCK certificate and CRL specification). Reading only; the chain
 * is chain.h's. */
#pragma once

#include "issuer/tee/dcap/quote.h"
#include "shared/crypto/x509.h"

#define DCAP_PCK_OID "1.2.840.113741.1.13.1"

enum { DCAP_FMSPC = 6, DCAP_PCEID = 2, DCAP_PPID = 16 };

enum dcap_ca { DCAP_CA_PROCESSOR, DCAP_CA_PLATFORM, DCAP_CA_MAX };
/* "processor", "platform": as PCS spells them. */
const char *dcap_ca_name(enum dcap_ca ca);

enum dcap_sgx_type { DCAP_SGX_STANDARD, DCAP_SGX_SCALABLE, DCAP_SGX_SCALABLE_INTEGRITY };

struct dcap_pck {
    uint8_t ppid[DCAP_PPID];
    uint8_t svn[DCAP_SVNS]; /* components 1 to 16 */
    uint16_t pce_svn;
    uint8_t cpu_svn[DCAP_SVNS]; /* opaque, never compared */
    uint8_t pce_id[DCAP_PCEID];
    uint8_t fmspc[DCAP_FMSPC];
    uint8_t sgx_type;
    /* Platform CA only */
    bool has_platform; /* the members below are there */
    uint8_t instance_id[16];
    bool dynamic_platform;
    bool cached_keys;
    bool smt_enabled;
};

/* value: content of the extension, a DER SEQUENCE. VD_E_BAD_EVIDENCE. */
vd_rc dcap_pck_parse(vd_span value, struct dcap_pck *ret, vd_err *err);
