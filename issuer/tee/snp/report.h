/* The SEV-SNP attestation report, 1184 bytes, versions 2 to 5 (AMD 56860, table
 * "ATTESTATION_REPORT"). Parsing only: nothing here says that a report is genuine. Spans point into
 * the parsed input. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"

enum {
    SNP_REPORT_BYTES = 1184,
    SNP_SIGNED_BYTES = 672,
    SNP_SIG_PART = 72, /* one of r and s, little-endian */
    SNP_SIG_USED = 48, /* its significant bytes: a P-384 integer */
    SNP_CHIP_ID = 64,
    SNP_TURIN_HWID = 8,
};

/* Product lines with a root of their own. */
enum snp_line { SNP_LINE_UNKNOWN, SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_LINE_MAX };
/* "Milan" as KDS and the certificates spell it; "unknown" for the first. */
const char *snp_line_name(enum snp_line line);
/* Line by CPUID family and model; SNP_LINE_UNKNOWN for any that has no pinned root. */
enum snp_line snp_line_of_cpuid(uint8_t family, uint8_t model);

/* One TCB_VERSION, taken apart by the map of its line. */
struct snp_tcb {
    bool has_fmc; /* Turin */
    uint8_t fmc;
    uint8_t bootloader;
    uint8_t tee;
    uint8_t snp;
    uint8_t microcode;
};
/* raw: 8 bytes. VD_E_BAD_EVIDENCE when a reserved byte is set. */
vd_rc snp_tcb_parse(vd_span raw, enum snp_line line, struct snp_tcb *ret, vd_err *err);
/* 8 bytes appended. */
void snp_tcb_put(const struct snp_tcb *t, enum snp_line line, vd_buf *out);
bool snp_tcb_eq(const struct snp_tcb *a, const struct snp_tcb *b);
/* Every component of a at most that of b. */
bool snp_tcb_le(const struct snp_tcb *a, const struct snp_tcb *b);

struct snp_firmware {
    uint8_t build;
    uint8_t minor;
    uint8_t major;
};

enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

struct snp_report {
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    vd_span family_id;
    vd_span image_id;
    uint32_t vmpl;
    uint32_t sig_algo;
    vd_span current_tcb; /* 8 raw bytes; so are the other three */
    uint64_t plat_info;
    uint32_t key_info;
    vd_span report_data;
    vd_span measurement;
    vd_span host_data;
    vd_span id_key_digest;
    vd_span author_key_digest;
    vd_span report_id;
    vd_span report_id_ma;
    vd_span reported_tcb;
    bool has_cpuid; /* version 3 and later */
    uint8_t cpuid_fam;
    uint8_t cpuid_mod;
    uint8_t cpuid_step;
    vd_span chip_id;
    vd_span committed_tcb;
    struct snp_firmware current;
    struct snp_firmware committed;
    vd_span launch_tcb;
    bool has_mit; /* version 5 */
    uint64_t launch_mit_vector;
    uint64_t current_mit_vector;
    vd_span sig_r; /* 72 bytes, little-endian */
    vd_span sig_s;
    vd_span signed_part;
};

/* Bits of the members above. */
static inline bool snp_bit(uint64_t v, unsigned bit)
{
    return (v >> bit & 1) != 0;
}
enum snp_policy_bit {
    SNP_POLICY_SMT = 16,
    SNP_POLICY_ONE = 17, /* reserved, must be one */
    SNP_POLICY_MIGRATE_MA = 18,
    SNP_POLICY_DEBUG = 19,
    SNP_POLICY_SINGLE_SOCKET = 20,
    SNP_POLICY_CXL = 21,
    SNP_POLICY_AES_256_XTS = 22,
    SNP_POLICY_RAPL_DIS = 23,
    SNP_POLICY_CIPHERTEXT_HIDING = 24,
    SNP_POLICY_PAGE_SWAP_DISABLE = 25,
    SNP_POLICY_RESERVED = 26, /* this and all above must be zero */
};
enum snp_platform_bit {
    SNP_PLATFORM_SMT = 0,
    SNP_PLATFORM_TSME = 1,
    SNP_PLATFORM_ECC = 2,
    SNP_PLATFORM_RAPL_DIS = 3,
    SNP_PLATFORM_CIPHERTEXT_HIDING = 4,
    SNP_PLATFORM_ALIAS_CHECK = 5,
    SNP_PLATFORM_TIO = 7,
};
#define SNP_PLATFORM_KNOWN UINT64_C(0xbf)
static inline bool snp_author_key_en(const struct snp_report *r)
{
    return snp_bit(r->key_info, 0);
}
static inline bool snp_mask_chip_key(const struct snp_report *r)
{
    return snp_bit(r->key_info, 1);
}
static inline unsigned snp_signing_key(const struct snp_report *r)
{
    return r->key_info >> 2 & 7;
}

/* Every field, every reserved byte zero, nothing left over. VD_E_BAD_EVIDENCE;
 * VD_E_EVIDENCE_VERSION for a version whose layout is unknown (below 2 or above 5). */
vd_rc snp_report_parse(vd_span in, struct snp_report *ret, vd_err *err);
/* The line a report claims: by CPUID, or SNP_LINE_UNKNOWN for version 2. */
enum snp_line snp_report_line(const struct snp_report *r);
/* For version 2, display and look-ups only, never for trust: Turin chips have 8 bytes of CHIP_ID.
 */
bool snp_report_looks_turin(const struct snp_report *r);
