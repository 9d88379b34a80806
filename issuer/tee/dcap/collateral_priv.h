/* Inside of the DCAP collateral: state of the family, keys from parsed pieces, and the full check
 * of each kind. */
#pragma once

#include "issuer/tee/dcap/collateral.h"
#include "issuer/tee/dcap/wrap.h"

struct dcap_family {
    struct dcap_roots *roots;
    const char *pcs_url;
    const char *root_crl_url; /* NULL: as pcs_url's service has it */
    const char *update;       /* "early" or "standard" */
};

enum dcap_piece { DCAP_PIECE_TCB, DCAP_PIECE_IDENTITY, DCAP_PIECE_PCKCRL, DCAP_PIECE_ROOTCRL };
const struct iss_collateral_kind *dcap_piece_kind(enum dcap_piece piece);
/* Everything but dates. The key that it has is appended. */
vd_rc dcap_piece_judge(const struct dcap_family *f, enum dcap_piece piece, vd_span chain,
                       vd_span body, vd_buf *ret_key, struct iss_collateral_rank *ret, vd_err *err);
/* sort.c: the family's sort(). */
vd_rc dcap_sort(void *state, struct iss_collateral_file *file, size_t n,
                struct iss_collateral_shelf *out, vd_err *err);
