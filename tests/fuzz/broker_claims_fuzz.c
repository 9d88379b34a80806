/* The claim set of a passport behind its signature (brk_claims_read, brk_tee_key_find) and the
 * entries and key sets that administrators upload (brk_issuer_from_json, brk_keyset_parse). */
#include "broker/passport/keyset.h"
#include "broker/passport/passport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const all[] = { "*", NULL };
static const char jwks[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                           "\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","
                           "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\"}]}";

static void claims(vd_span in, struct brk_issuer *issuer)
{
    static const char *const audience[] = { "broker" };
    const struct brk_claims_cfg cfg = {
        .now = 1800000000, .leeway = 60, .audience = audience, .n_audience = 1
    };
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(brk_passport_unref) struct brk_passport *p = calloc(1, sizeof *p);
    if (p)
        p->refs = 1;
    if (!p || vd_json_parse(in, VD_JSON_LIMITS(65536), &doc, NULL).code != VD_E_OK)
        return;
    p->issuer = brk_issuer_ref(issuer);
    (void)brk_claims_read(&cfg, vd_json_root(doc), p, NULL).code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct brk_issuer_spec spec = {
        .name = "f",
        .issuer = "https://issuer.test",
        .jwks = vd_span_of(jwks, sizeof jwks - 1),
        .algs = all,
        .tees = all,
        .repositories = all,
        .policies = all,
        .assume_freshness = "issuer-nonce",
    };
    vd_span in = vd_span_of(data, size);
    bool suspended = false;
    VD_AUTO(brk_issuer_unref) struct brk_issuer *issuer = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *keys = NULL;
    VD_AUTO(brk_issuer_unref) struct brk_issuer *made = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *made_keys = NULL;
    VD_AUTO(brk_keyset_unref) struct brk_keyset *parsed = NULL;
    if (vd_base_init(NULL).code != VD_E_OK ||
        brk_issuer_new(&spec, &issuer, &keys, NULL).code != VD_E_OK)
        return 0;
    claims(in, issuer);
    (void)brk_issuer_from_json("f", in, &made, &made_keys, &suspended, NULL).code;
    (void)brk_keyset_parse(in, &parsed, NULL).code;
    return 0;
}
