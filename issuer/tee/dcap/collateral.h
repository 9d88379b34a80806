/* The four kinds of DCAP collateral (PCS API v4): TCB info, QE identity, PCK CRL, root CRL; how
 * their keys are spelled, where they are fetched, how files of operators are told apart, and the
 * set that belongs to one quote. */
#pragma once

#include "issuer/collateral/collateral.h"
#include "issuer/tee/dcap/dcap.h"

extern const struct iss_collateral_kind dcap_collateral_tcb;      /* "dcap.tcb" */
extern const struct iss_collateral_kind dcap_collateral_identity; /* "dcap.identity" */
extern const struct iss_collateral_kind dcap_collateral_pckcrl;   /* "dcap.pckcrl" */
extern const struct iss_collateral_kind dcap_collateral_rootcrl;  /* "dcap.rootcrl" */

/* The family of the four; its state reads these rows, "tee.dcap.*", which serve both drivers:
 * extra_roots (PEM files of simulated roots), pcs_url, root_crl_url, tcb_update. */
extern const struct iss_collateral_family dcap_collateral_family;
extern const struct vd_setting dcap_collateral_settings[];
extern const size_t dcap_collateral_settings_n;

/* What a quote needs. All of it comes from the quote, so it is asked for before anything is
 * trusted. */
struct dcap_ask {
    enum dcap_tee tee;
    enum dcap_ca ca;
    uint8_t fmspc[DCAP_FMSPC];
    const struct dcap_root *root; /* where its chain ends; borrowed */
};
static inline struct dcap_ask dcap_ask_of(enum dcap_tee tee, const struct dcap_trust *trust)
{
    struct dcap_ask a = { .tee = tee, .ca = trust->ca, .root = trust->root };
    memcpy(a.fmspc, trust->pck.fmspc, sizeof a.fmspc);
    return a;
}

/* The set, with the items that its spans point into. */
struct dcap_found {
    struct dcap_collateral set; /* empty spans: nothing was found */
    struct iss_collateral_item *item[4];
    uint64_t id[4]; /* of the items (0: none): the same four numbers mean the same bytes */
};
/* Looks for all four at once. VD_E_COLLATERAL names the first that is missing and why; ret is
 * filled as far as things were found, in any case. VD_E_TIMEOUT, VD_E_RATE, VD_E_BUSY. */
vd_rc dcap_collateral_find(struct iss_collateral *c, const struct dcap_ask *ask, const char *source,
                           struct dcap_found *ret, vd_err *err);
void dcap_found_done(struct dcap_found *f);
#define DCAP_AUTO_FOUND __attribute__((cleanup(dcap_found_done))) struct dcap_found

/* Keys of the kinds, in the same order, appended: "tdx/00806f050000", "tdx", "platform", "intel";
 * with a simulated root "@" and digits of its key id behind. */
void dcap_key_tcb(const struct dcap_ask *ask, vd_buf *out);
void dcap_key_identity(const struct dcap_ask *ask, vd_buf *out);
void dcap_key_pckcrl(const struct dcap_ask *ask, vd_buf *out);
void dcap_key_rootcrl(const struct dcap_ask *ask, vd_buf *out);
