/* Init data of the primary evidence: a TOML text whose digest the TEE carries, and the claims made
 * of it. The digest is over the bytes as sent, with the algorithm that the text names. Difference
 * from Trustee on purpose: fractions and date-times become plain JSON numbers and strings. */
#pragma once

#include "shared/base/auto.h"
#include "shared/base/buf.h"
#include "shared/crypto/hash.h"

struct iss_init_data {
    enum vd_hash alg;
    uint8_t digest[VD_HASH_BYTES_MAX];
    size_t digest_n;
    vd_buf claims; /* JSON object: `data`, with cdh.toml and aa.toml as objects when they parse, and
                      policy.rego as agent_policy_claims when it holds policy_data as JSON */
};
/* VD_E_INIT_DATA_SYNTAX: no TOML, members missing or of a wrong type, unknown algorithm. */
vd_rc iss_init_data_parse(vd_span text, struct iss_init_data *ret, vd_err *err);
void iss_init_data_done(struct iss_init_data *d);
static inline vd_span iss_init_data_digest(const struct iss_init_data *d)
{
    return (vd_span){ d->digest, d->digest_n };
}
#define ISS_AUTO_INIT_DATA __attribute__((cleanup(iss_init_data_done))) struct iss_init_data
