/* A simulated SEV-SNP guest: reports of the genuine format, any version, TCB and flag, under a
 * throw-away ARK/ASK/ASVK and with VCEK or VLEK certificates that carry AMD's extensions. Written
 * from the layout tables, apart from the driver it tests. A failure of OpenSSL ends the process:
 * nothing here is a product. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

enum { SIM_REPORT = 1184, SIM_SIGNED = 672 };
enum sim_line { SIM_MILAN, SIM_GENOA, SIM_TURIN, SIM_LINE_MAX };
const char *sim_line_name(enum sim_line line);
/* -1: unknown. */
int sim_line_by_name(const char *name);

struct sim_tcb {
    uint8_t fmc; /* Turin */
    uint8_t bootloader;
    uint8_t tee;
    uint8_t snp;
    uint8_t microcode;
};
struct sim_fw {
    uint8_t build;
    uint8_t minor;
    uint8_t major;
};

/* What the report says. sim_report_defaults gives a platform that every strict check accepts. */
struct sim_report {
    enum sim_line line; /* map of the TCB bytes */
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    uint8_t family_id[16];
    uint8_t image_id[16];
    uint32_t vmpl;
    uint32_t sig_algo;
    struct sim_tcb current;
    uint64_t plat_info;
    uint32_t key_info;
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48];
    uint8_t author_key_digest[48];
    uint8_t report_id[32];
    uint8_t report_id_ma[32];
    struct sim_tcb reported;
    uint8_t cpuid[3]; /* family, model, stepping */
    uint8_t chip_id[64];
    struct sim_tcb committed;
    struct sim_fw current_fw;
    struct sim_fw committed_fw;
    struct sim_tcb launch;
    uint64_t launch_mit;
    uint64_t current_mit;
};
void sim_report_defaults(enum sim_line line, struct sim_report *ret);
/* Marks the report as signed by a VLEK: key_info, no chip id. */
void sim_report_vlek(struct sim_report *r);
/* The 1184 bytes, without a signature. */
void sim_report_bytes(const struct sim_report *r, uint8_t ret[SIM_REPORT]);

/* Keys and CA certificates of one simulated line. */
struct sim_pki;
/* Reads DIR; makes it first when it is not there (three RSA-4096 keys: seconds). */
struct sim_pki *sim_pki_load(const char *dir, enum sim_line line);
void sim_pki_free(struct sim_pki *p);
VD_DEFINE_CLEANUP(struct sim_pki, sim_pki_free)
enum sim_line sim_pki_line(const struct sim_pki *p);
/* The PEM file with ARK, ASK and ASVK: what tee.snp.extra_roots names. Lives with p. */
const char *sim_pki_roots(const struct sim_pki *p);

/* A leaf certificate; defaults fit the report. */
struct sim_cert {
    bool vlek;
    const char *common_name; /* NULL: SEV-VCEK or SEV-VLEK */
    const char *product;     /* NULL: as AMD writes it for the line */
    const char *csp_id;      /* VLEK */
    struct sim_tcb tcb;
    uint8_t hwid[64];
    bool hwid_octet_string; /* wrapped in 04 len */
    bool without_hwid;
    bool with_csp_on_vcek;
    bool p256;        /* a key on the wrong curve */
    bool sha256;      /* signed with the wrong digest */
    bool without_fmc; /* Turin without .3.9 */
    int64_t from;     /* 0: 2024-01-01 */
    int64_t until;    /* 0: 2044-01-01 */
};
void sim_cert_defaults(const struct sim_report *r, bool vlek, struct sim_cert *ret);
/* DER appended. */
void sim_cert_make(const struct sim_pki *p, const struct sim_cert *c, vd_buf *der);
/* Signs the report in place with the VCEK's or VLEK's key. */
void sim_report_sign(const struct sim_pki *p, bool vlek, uint8_t report[SIM_REPORT]);

struct sim_crl {
    int64_t from;  /* 0: 2024-01-01 */
    int64_t until; /* 0: 2044-01-01 */
    bool revoke_ask;
    bool revoke_asvk;
    bool wrong_issuer; /* signed by the ASK's key instead */
};
void sim_crl_make(const struct sim_pki *p, const struct sim_crl *c, vd_buf *der);

/* Evidence as guest components send it. cert empty: cert_chain null. */
void sim_evidence_json(vd_span report, enum sim_line line, const char *cert_type, vd_span cert,
                       vd_buf *out);
