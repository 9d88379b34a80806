/* DCAP quotes, versions 3, 4 and 5 (Intel SGX/TDX DCAP quoting library API reference; the layout is
 * told in docs/tee/dcap.md). Parsing only: nothing here says that a quote is genuine. Spans point
 * into the parsed input and are valid while it lives. What follows the declared signature data is
 * ignored, as every producer pads its buffers: `consumed` is the quote, the rest is not. */
#pragma once

#include "shared/base/buf.h"

enum {
    DCAP_QUOTE_MAX = 65536, /* bytes of a quote with its padding */
    DCAP_ENCLAVE_REPORT = 384,
    DCAP_TD_REPORT_10 = 584,
    DCAP_TD_REPORT_15 = 648,
    DCAP_TD_REPORT_15EX = 885,
    DCAP_SIG = 64,     /* r|s, big-endian */
    DCAP_KEY = 64,     /* X|Y, big-endian */
    DCAP_SVNS = 16,    /* components of a TCB */
    DCAP_CERT_PCK = 5, /* certification data: PCK chain as PEM */
};

enum dcap_tee { DCAP_SGX, DCAP_TDX, DCAP_TEE_MAX };
/* "SGX", "TDX". */
const char *dcap_tee_name(enum dcap_tee tee);

enum dcap_body {
    DCAP_BODY_SGX = 1,
    DCAP_BODY_TD10 = 2,
    DCAP_BODY_TD15 = 3,
    DCAP_BODY_TD15EX = 4,
};

/* SGX enclave report: the body of an SGX quote, and the QE report of every quote. */
struct dcap_enclave {
    vd_span cpu_svn;     /* 16 */
    vd_span misc_select; /* 4 */
    vd_span reserved1;   /* 12 */
    vd_span ext_prod_id; /* 16 */
    vd_span flags;       /* 8, ATTRIBUTES.flags */
    vd_span xfrm;        /* 8 */
    vd_span attributes;  /* 16: both of the above */
    vd_span mr_enclave;  /* 32 */
    vd_span reserved2;   /* 32 */
    vd_span mr_signer;   /* 32 */
    vd_span reserved3;   /* 32 */
    vd_span config_id;   /* 64 */
    vd_span isv_prod_id; /* 2, little-endian; so are the two below */
    vd_span isv_svn;     /* 2 */
    vd_span config_svn;  /* 2 */
    vd_span reserved4;   /* 42 */
    vd_span family_id;   /* 16 */
    vd_span report_data; /* 64 */
};

/* TD report. The members from `tee_tcb_svn2` on are empty in a body 1.0, those from `vmid` on in a
 * body 1.5. */
struct dcap_td {
    vd_span tee_tcb_svn; /* 16 */
    vd_span mr_seam;     /* 48; so is every mr_ and rtmr below */
    vd_span mr_signer_seam;
    vd_span seam_attributes; /* 8 */
    vd_span td_attributes;   /* 8 */
    vd_span xfam;            /* 8 */
    vd_span mr_td;
    vd_span mr_config_id;
    vd_span mr_owner;
    vd_span mr_owner_config;
    vd_span rtmr[4];
    vd_span report_data;  /* 64 */
    vd_span tee_tcb_svn2; /* 16 */
    vd_span mr_service_td;
    vd_span vmid;  /* 1 */
    vd_span td_id; /* 32 */
    vd_span device_info_hash;
    vd_span init_service_td_hash;
    vd_span init_service_td_attr; /* 8 */
    vd_span init_cpu_svn;         /* 16 */
    vd_span init_tee_tcb_svn;     /* 16 */
    vd_span init_fmspc;           /* 12 */
    vd_span service_td_hash;
    vd_span service_td_attr; /* 8 */
};

struct dcap_quote {
    uint16_t version;
    enum dcap_tee tee;
    /* header, as bytes of the wire */
    vd_span raw_version;  /* 2 */
    vd_span att_key_type; /* 2 */
    vd_span tee_type;     /* 4; version 3 calls it att_key_data_0 */
    vd_span qe_svn;       /* 2; versions 4 and 5: first half of the reserved bytes */
    vd_span pce_svn;      /* 2; second half */
    vd_span reserved;     /* 4: both halves */
    vd_span vendor_id;    /* 16 */
    vd_span user_data;    /* 20 */
    /* body descriptor, version 5 only, else empty */
    vd_span raw_body_type; /* 2 */
    vd_span raw_body_size; /* 4 */
    enum dcap_body body;
    vd_span body_raw;
    struct dcap_enclave enclave; /* when tee is DCAP_SGX */
    struct dcap_td td;           /* when tee is DCAP_TDX */
    vd_span signed_part;         /* header, descriptor, body */
    /* signature data */
    vd_span signature; /* of the quote, 64 */
    vd_span att_key;   /* 64 */
    vd_span qe_raw;    /* 384 */
    struct dcap_enclave qe;
    vd_span qe_signature; /* 64 */
    vd_span qe_auth;
    uint16_t cert_type; /* always DCAP_CERT_PCK */
    vd_span cert_data;  /* PEM text as it came */
    size_t consumed;    /* bytes of the quote without what follows it */
};

/* VD_E_BAD_EVIDENCE (with the byte); VD_E_EVIDENCE_VERSION: a version or kind of quote that is not
 * known; VD_E_KEY_TYPE: no ECDSA P-256 attestation key, or not Intel's quoting enclave;
 * VD_E_CERT_DATA: its certification data is not a PCK chain. */
vd_rc dcap_quote_parse(vd_span in, struct dcap_quote *ret, vd_err *err);
/* 384 bytes. VD_E_BAD_EVIDENCE. */
vd_rc dcap_enclave_parse(vd_span in, struct dcap_enclave *ret, vd_err *err);
/* Little-endian number of up to 8 bytes. */
static inline uint64_t dcap_le(vd_span s)
{
    vd_rd r = vd_rd_of(s);
    return s.n > 8 ? 0 : vd_rd_le(&r, (unsigned)s.n);
}
