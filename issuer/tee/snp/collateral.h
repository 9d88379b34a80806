/* The two kinds of AMD collateral (AMD 57230, KDS): VCEK certificates and CRLs; how their keys are
 * spelled, and where they lie in an offline directory (the layout that Trustee's offline store has,
 * CRLs added). */
#pragma once

#include "issuer/collateral/collateral.h"
#include "issuer/tee/snp/report.h"

extern const struct iss_collateral_kind snp_collateral_vcek;
extern const struct iss_collateral_kind snp_collateral_crl;

/* Key of a VCEK: "Genoa/371c..e8/bl10_tee00_snp23_ucode25", on Turin with "_fmc00" behind. line
 * UNKNOWN (a report of version 2) is never fetched, only looked up offline. hwid: bare bytes. */
void snp_vcek_key(enum snp_line line, vd_span hwid, const struct snp_tcb *tcb, vd_buf *out);
/* Key of a CRL: "vcek/Milan", "vlek/Milan"; for a simulated root "root/<SHA-256 of the ARK>". */
void snp_crl_key(enum snp_line line, bool vlek, const char *simulated_ark_sha256, vd_buf *out);
