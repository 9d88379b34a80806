/* A simulated Intel platform: quotes of every version, PCK certificates, TCB info, enclave
 * identities, CRLs and event logs of the genuine format with any content, under a throw-away root.
 * Written from the layout tables, apart from the driver it tests. A failure of OpenSSL ends the
 * process: nothing here is a product. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

enum {
    SIMTDX_SGX_BODY = 384,
    SIMTDX_TD10_BODY = 584,
    SIMTDX_TD15_BODY = 648,
    SIMTDX_TD15EX_BODY = 885,
    SIMTDX_LEVELS_MAX = 8,
    SIMTDX_MODULES_MAX = 4,
    SIMTDX_REVOKED_MAX = 8,
};

/* ---- pki.c: keys and CA certificates, kept in a folder ---- */

enum simtdx_key {
    SIMTDX_ROOT,
    SIMTDX_PLATFORM,  /* PCK Platform CA */
    SIMTDX_PROCESSOR, /* PCK Processor CA */
    SIMTDX_SIGNER,    /* TCB Signing */
    SIMTDX_CERTS_MAX, /* the four above have certificates */
    SIMTDX_PCK = SIMTDX_CERTS_MAX,
    SIMTDX_ATTESTATION, /* the quoting enclave's */
    SIMTDX_STRANGER,    /* belongs to nobody: for forgeries */
    SIMTDX_KEYS_MAX,
};
struct simtdx_pki;
/* Reads DIR; makes it first when it is not there. */
struct simtdx_pki *simtdx_pki_load(const char *dir);
void simtdx_pki_free(struct simtdx_pki *p);
VD_DEFINE_CLEANUP(struct simtdx_pki, simtdx_pki_free)
/* PEM file with the root certificate: what extra_roots names. Lives with p. */
const char *simtdx_pki_root(const struct simtdx_pki *p);
/* Raw r || s over the bytes, ECDSA P-256 with SHA-256. */
void simtdx_sign(const struct simtdx_pki *p, enum simtdx_key key, vd_span bytes, uint8_t ret[64]);
void simtdx_sha384(vd_span bytes, uint8_t ret[48]);

/* ---- pck.c, cert.c: certificates and CRLs ---- */

/* A PCK certificate. simtdx_pck_defaults gives a platform that every strict check accepts. */
struct simtdx_pck {
    bool processor; /* issued by the Processor CA: five elements, no instance id */
    uint8_t ppid[16];
    uint8_t component[16];
    uint16_t pcesvn;
    uint8_t cpusvn[16];
    uint8_t pceid[2];
    uint8_t fmspc[6];
    uint8_t sgx_type;
    uint8_t instance[16];
    bool dynamic;
    bool cached_keys;
    bool smt;
    uint32_t serial;
    int64_t from;  /* 0: 2024-01-01 */
    int64_t until; /* 0: 2044-01-01 */
    /* deviations */
    const char *common_name; /* NULL: as Intel's */
    vd_span extension;       /* replaces the SGX extension's content */
    unsigned extensions;     /* how many SGX extensions; default 1 */
    enum simtdx_key issuer;  /* 0: by `processor`; else who signs and is named */
    enum simtdx_key signer;  /* 0: the issuer; else whose key signs */
    bool ca;                 /* CA:TRUE and keyCertSign */
    bool sha384;             /* signed with the wrong digest */
};
void simtdx_pck_defaults(struct simtdx_pck *ret);
/* Content of the SGX extension: the SEQUENCE. */
void simtdx_pck_extension(const struct simtdx_pck *c, vd_buf *der);
/* The same content gives the same certificate: it is kept in the PKI's folder, because signatures
 * are random and a real platform's certificate does not change. PEM appended. */
void simtdx_pck_make(const struct simtdx_pki *p, const struct simtdx_pck *c, vd_buf *pem);
/* One of the four CA and signer certificates, PEM appended. */
void simtdx_cert_pem(const struct simtdx_pki *p, enum simtdx_key which, vd_buf *pem);
/* A chain as the vendor's service gives it: signer or CA, then the root. */
void simtdx_chain_pem(const struct simtdx_pki *p, enum simtdx_key which, vd_buf *pem);

enum { SIMTDX_SERIAL_FIRST = 0x51000 };
/* Serial number of one of the four certificates. */
uint32_t simtdx_serial(enum simtdx_key which);

struct simtdx_crl {
    enum simtdx_key issuer; /* root or one of the CAs */
    enum simtdx_key signer; /* the issuer, unless a forgery is wanted */
    int64_t from;           /* 0: 2024-01-01 */
    int64_t until;          /* 0: 2044-01-01 */
    uint64_t number;
    uint32_t revoked[SIMTDX_REVOKED_MAX];
    size_t n_revoked;
    bool without_number;
    bool without_aki;
};
void simtdx_crl_defaults(enum simtdx_key issuer, struct simtdx_crl *ret);
void simtdx_crl_make(const struct simtdx_pki *p, const struct simtdx_crl *c, vd_buf *der);

/* ---- quote.c: quotes and evidence ---- */

struct simtdx_enclave { /* SGX report: of an enclave, or of the quoting enclave */
    uint8_t cpusvn[16];
    uint32_t miscselect;
    uint8_t isv_ext_prod_id[16];
    uint64_t flags;
    uint64_t xfrm;
    uint8_t mrenclave[32];
    uint8_t mrsigner[32];
    uint8_t config_id[64];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint16_t config_svn;
    uint8_t isv_family_id[16];
    uint8_t report_data[64];
};
struct simtdx_td {
    uint8_t tcb_svn[16];
    uint8_t mr_seam[48];
    uint8_t mrsigner_seam[48];
    uint64_t seam_attributes;
    uint64_t td_attributes;
    uint64_t xfam;
    uint8_t mr_td[48];
    uint8_t mr_config_id[48];
    uint8_t mr_owner[48];
    uint8_t mr_owner_config[48];
    uint8_t rtmr[4][48];
    uint8_t report_data[64];
    uint8_t tcb_svn2[16];      /* body types 3 and 4 */
    uint8_t mr_service_td[48]; /* body types 3 and 4 */
    uint8_t rest[237];         /* body type 4, from byte 648 on */
};
enum simtdx_chain_order { SIMTDX_LEAF_CA_ROOT, SIMTDX_LEAF_ROOT_CA, SIMTDX_ROOT_CA_LEAF };

struct simtdx_quote {
    unsigned version;   /* 3, 4, 5 */
    unsigned body_type; /* of version 5: 1 SGX, 2 TD 1.0, 3 TD 1.5, 4 TD 1.5ex */
    bool sgx;           /* of version 4: an enclave's report; set for 3 and for body type 1 */
    uint16_t key_type;
    uint32_t tee_type; /* versions 4 and 5 */
    uint16_t qe_svn;   /* version 3; reserved after it */
    uint16_t pce_svn;
    uint8_t vendor_id[16];
    uint8_t user_data[20];
    struct simtdx_td td;
    struct simtdx_enclave enclave;
    struct simtdx_enclave qe;
    uint8_t auth[64];
    size_t n_auth;
    /* deviations */
    uint32_t body_size;           /* 0: the right one; of version 5 */
    bool unbound;                 /* the QE's report data is taken as it is */
    enum simtdx_key quote_signer; /* 0: the attestation key */
    enum simtdx_key qe_signer;    /* 0: the PCK */
    enum simtdx_chain_order order;
    uint16_t cert_type; /* 0: 5 */
    bool chain_nul;     /* the PEM text ends with a NUL */
    vd_span chain;      /* replaces the PEM text */
    vd_span trailing;
};
/* Of version 3: an enclave's quote. Every strict check accepts it. */
void simtdx_quote_defaults(unsigned version, unsigned body_type, struct simtdx_quote *ret);
void simtdx_quote_make(const struct simtdx_pki *p, const struct simtdx_quote *q,
                       const struct simtdx_pck *pck, vd_buf *out);
/* Evidence as guest components send it: {"cc_eventlog","quote"}, or {"quote"} of an enclave. */
void simtdx_evidence(vd_span quote, bool sgx, vd_span log, vd_buf *json);

/* ---- collateral.c: TCB info and enclave identities ---- */

struct simtdx_level {
    uint8_t sgx[16];
    uint16_t pcesvn;
    uint8_t tdx[16];
    const char *status;
    const char *date;       /* "2025-08-13T00:00:00Z" */
    const char *advisories; /* "INTEL-SA-1,INTEL-SA-2"; NULL: no member */
};
struct simtdx_isv_level {
    unsigned isvsvn;
    const char *status;
    const char *date;
    const char *advisories;
};
struct simtdx_module {
    const char *id; /* "TDX_03" */
    uint8_t mrsigner[48];
    uint64_t attributes;
    uint64_t mask;
    struct simtdx_isv_level level[SIMTDX_LEVELS_MAX];
    size_t n_levels;
};
struct simtdx_tcb_info {
    const char *id; /* "SGX", "TDX" */
    unsigned version;
    int64_t issued;
    int64_t next;
    uint8_t fmspc[6];
    uint8_t pceid[2];
    unsigned tcb_type;
    unsigned eval;
    bool has_module; /* tdxModule and tdxModuleIdentities */
    struct simtdx_module base;
    struct simtdx_module module[SIMTDX_MODULES_MAX];
    size_t n_modules;
    struct simtdx_level level[SIMTDX_LEVELS_MAX];
    size_t n_levels;
};
struct simtdx_identity {
    const char *id; /* "QE", "TD_QE" */
    unsigned version;
    int64_t issued;
    int64_t next;
    unsigned eval;
    uint32_t miscselect;
    uint32_t miscselect_mask;
    uint64_t flags;
    uint64_t xfrm;
    uint64_t flags_mask;
    uint64_t xfrm_mask;
    uint8_t mrsigner[32];
    unsigned isv_prod_id;
    struct simtdx_isv_level level[SIMTDX_LEVELS_MAX];
    size_t n_levels;
};
/* Documents issued an hour before `now` and good for thirty days, in which the default platform,
 * module and quoting enclave are up to date and older ones are OutOfDate. */
void simtdx_tcb_info_defaults(bool tdx, int64_t now, struct simtdx_tcb_info *ret);
void simtdx_identity_defaults(bool tdx, int64_t now, struct simtdx_identity *ret);
/* The inner object, compact. */
void simtdx_tcb_info_json(const struct simtdx_tcb_info *t, vd_buf *inner);
void simtdx_identity_json(const struct simtdx_identity *t, vd_buf *inner);
/* {"<name>":<inner>,"signature":"<hex>"}: any content, signed. name: "tcbInfo",
 * "enclaveIdentity". */
void simtdx_sign_json(const struct simtdx_pki *p, enum simtdx_key key, const char *name,
                      vd_span inner, vd_buf *out);

/* ---- folder.c: everything that a verifier needs ---- */

struct simtdx_collateral {
    bool processor;                 /* of which CA the PCK CRL is */
    struct simtdx_tcb_info info[2]; /* 0 SGX, 1 TDX */
    struct simtdx_identity identity[2];
    struct simtdx_crl pck_crl;
    struct simtdx_crl root_crl;
    enum simtdx_key info_signer; /* whose key and chain: SIMTDX_SIGNER unless a forgery is wanted */
};
void simtdx_collateral_defaults(int64_t now, struct simtdx_collateral *ret);
/* The seven pieces for one TEE, as they come from the vendor's service. */
struct simtdx_pieces {
    vd_buf info;
    vd_buf info_chain;
    vd_buf identity;
    vd_buf identity_chain;
    vd_buf pck_crl; /* DER */
    vd_buf pck_crl_chain;
    vd_buf root_crl; /* DER */
};
void simtdx_pieces_make(const struct simtdx_pki *p, const struct simtdx_collateral *c, bool tdx,
                        struct simtdx_pieces *ret);
void simtdx_pieces_done(struct simtdx_pieces *x);
/* Files of both TEEs below `to`, which is made. bundle: one JSON file for each TEE with all seven
 * pieces in it instead of single files. */
void simtdx_folder_write(const struct simtdx_pki *p, const struct simtdx_collateral *c,
                         const char *to, bool bundle);

/* ---- log.c: event logs (CCEL) ---- */

struct simtdx_log {
    vd_buf bytes;
    uint8_t rtmr[4][48]; /* what the log replays to */
};
enum {
    SIMTDX_EV_NO_ACTION = 3,
    SIMTDX_EV_SEPARATOR = 4,
    SIMTDX_EV_EVENT_TAG = 6,
    SIMTDX_EV_IPL = 0xd,
    SIMTDX_ALG_SHA256 = 0xb,
    SIMTDX_ALG_SHA384 = 0xc,
};
#define SIMTDX_EV_VARIABLE UINT32_C(0x80000001)
#define SIMTDX_EV_APPLICATION UINT32_C(0x80000003)
#define SIMTDX_EV_ACTION UINT32_C(0x80000007)

/* The header record. Free with simtdx_log_done. */
void simtdx_log_start(struct simtdx_log *log);
void simtdx_log_done(struct simtdx_log *log);
/* One record with one SHA-384 digest; digest NULL: that of the data. index 1..4 is RTMR0..3. */
void simtdx_log_add(struct simtdx_log *log, uint32_t index, uint32_t type, const uint8_t *digest,
                    vd_span data);
/* A record whose digest list is given as bytes (count, then algorithm and digest each) and which
 * extends nothing: for forgeries. */
void simtdx_log_forge(struct simtdx_log *log, uint32_t index, uint32_t type, vd_span digests,
                      vd_span data);
/* An application loaded from File(`name`), with the digest of the image. */
void simtdx_log_application(struct simtdx_log *log, uint32_t index, const char *name,
                            const uint8_t digest[48]);
/* EV_EVENT_TAG with a text: LOADED_IMAGE::LoadOptions, the kernel's command line. */
void simtdx_log_tag(struct simtdx_log *log, uint32_t index, uint32_t id, const char *text);
/* An event of the agent: "domain operation content" at RTMR3. */
void simtdx_log_agent(struct simtdx_log *log, const char *text);
/* A whole boot of about `size` bytes at least (0: a small one). */
void simtdx_log_boot(struct simtdx_log *log, size_t size);
/* Digests of the kernel and of its command line that simtdx_log_boot measures. */
void simtdx_log_boot_kernel(uint8_t kernel[48], uint8_t options[48]);
/* Eight bytes of ones, as the firmware's area ends. */
void simtdx_log_end(struct simtdx_log *log);
