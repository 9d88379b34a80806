/* The guest's side of the measured flows: challenges, signed evidence and request bytes, made
 * before the clock. */
#pragma once

#include "tests/bench/bench.h"
#include "tests/support/simsnp/simsnp.h"
#include "tests/support/simtdx/simtdx.h"

enum guest_tee { GUEST_SAMPLE, GUEST_SNP, GUEST_TDX };

struct guest {
    enum guest_tee tee;
    const struct sim_pki *pki;
    vd_buf vcek;
    const struct simtdx_pki *intel;
    struct simtdx_quote quote; /* of TDX, without report data */
    struct simtdx_pck pck;
    vd_buf pem; /* its certificates */
    vd_buf log; /* empty: none is sent */
    struct vd_key *key;
    vd_buf jwk; /* canonical */
};
bool guest_init(struct guest *g, enum guest_tee tee, const struct sim_pki *pki, enum vd_kty kty);
/* A TDX guest; log_bytes 0: without an event log. */
bool guest_init_tdx(struct guest *g, const struct simtdx_pki *intel, size_t log_bytes);
void guest_done(struct guest *g);

/* Requests of one flow, one buffer each. */
struct requests {
    vd_buf *item;
    size_t n;
    size_t room;
};
void requests_done(struct requests *r);
vd_span requests_at(void *ctx, size_t i);
/* A complete POST with a JSON body. */
void http_post(vd_buf *out, const char *path, vd_span cookie_line, vd_span body);
/* n challenges fetched and answered: ret gets the /attest requests. */
bool guest_prepare(struct guest *g, uint16_t port, size_t n, struct requests *ret);
/* One whole attest: the passport. */
bool guest_passport(struct guest *g, uint16_t port, vd_buf *passport);
vd_span guest_auth_body(enum guest_tee tee);
/* The measurement that simulated reports carry, hex. */
void guest_measurement(vd_buf *hex);
