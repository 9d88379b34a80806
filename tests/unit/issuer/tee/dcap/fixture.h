/* What the DCAP tests share: genuine quotes and their collateral, read from the forms in which
 * various projects keep them, and one verification. */
#pragma once

#include "tests/support/support.h"

#include "issuer/tee/dcap/dcap.h"
#include "shared/codec/b64.h"
#include "shared/codec/der.h"

#define UNUSED __attribute__((unused))
#define INTEL "tests/vectors/intel/"

struct coll {
    vd_buf buf[DCAP_ITEM_MAX];
};

UNUSED static void coll_done(struct coll *c)
{
    for (int i = 0; i < DCAP_ITEM_MAX; i++)
        vd_buf_done(&c->buf[i]);
}
#define AUTO_COLL __attribute__((cleanup(coll_done))) struct coll

UNUSED static struct coll coll_new(void)
{
    struct coll c;
    for (int i = 0; i < DCAP_ITEM_MAX; i++)
        c.buf[i] = vd_buf_of(1 << 20);
    return c;
}

UNUSED static struct dcap_collateral coll_view(const struct coll *c)
{
    return (struct dcap_collateral){ .tcb_info = vd_buf_span(&c->buf[DCAP_TCB_INFO]),
                                     .tcb_info_chain = vd_buf_span(&c->buf[DCAP_TCB_INFO_CHAIN]),
                                     .identity = vd_buf_span(&c->buf[DCAP_IDENTITY]),
                                     .identity_chain = vd_buf_span(&c->buf[DCAP_IDENTITY_CHAIN]),
                                     .pck_crl = vd_buf_span(&c->buf[DCAP_PCK_CRL]),
                                     .pck_crl_chain = vd_buf_span(&c->buf[DCAP_PCK_CRL_CHAIN]),
                                     .root_crl = vd_buf_span(&c->buf[DCAP_ROOT_CRL]) };
}

UNUSED static void coll_set(struct coll *c, enum dcap_item item, vd_span bytes)
{
    vd_buf_reset(&c->buf[item]);
    vd_buf_add(&c->buf[item], bytes);
    assert_ok(vd_buf_check(&c->buf[item], NULL));
}

UNUSED static void coll_file(struct coll *c, enum dcap_item item, const char *path)
{
    VD_AUTO_BUF b = vd_test_file(path);
    coll_set(c, item, vd_buf_span(&b));
}

/* DER certificates to one PEM text. */
UNUSED static void coll_der_chain(struct coll *c, enum dcap_item item, const char *const *path,
                                  size_t n)
{
    vd_buf *out = &c->buf[item];
    vd_buf_reset(out);
    for (size_t i = 0; i < n; i++) {
        VD_AUTO_BUF der = vd_test_file(path[i]);
        VD_AUTO_BUF b64 = vd_buf_of(1 << 16);
        vd_b64_encode(vd_buf_span(&der), VD_B64_STD, &b64);
        vd_buf_str(out, "-----BEGIN CERTIFICATE-----\n");
        for (size_t at = 0; at < b64.n; at += 64) {
            vd_buf_add(out, vd_span_part(vd_buf_span(&b64), at, 64));
            vd_buf_str(out, "\n");
        }
        vd_buf_str(out, "-----END CERTIFICATE-----\n");
    }
    assert_ok(vd_buf_check(out, NULL));
}

UNUSED static void coll_hex(struct coll *c, enum dcap_item item, vd_span hex)
{
    vd_buf_reset(&c->buf[item]);
    assert_ok(vd_hex_decode(hex, &c->buf[item], NULL));
}

/* {"<member>":<inner>,"signature":"<hex>"} */
UNUSED static void coll_wrap(struct coll *c, enum dcap_item item, const char *member, vd_span inner,
                             vd_span signature)
{
    vd_buf *out = &c->buf[item];
    vd_buf_reset(out);
    vd_buf_printf(out, "{\"%s\":", member);
    vd_buf_add(out, inner);
    vd_buf_str(out, ",\"signature\":\"");
    vd_buf_add(out, signature);
    vd_buf_str(out, "\"}");
    assert_ok(vd_buf_check(out, NULL));
}

UNUSED static void member(const struct vd_json *j, const char *name, vd_buf *out)
{
    assert_ok(vd_jv_str(vd_jv_get(vd_json_root(j), name), out, NULL));
}

/* dcap-qvl keeps everything in one JSON file, the signed texts apart from their signatures. */
UNUSED static struct coll coll_qvl(const char *path)
{
    struct coll c = coll_new();
    VD_AUTO_BUF file = vd_test_file(path);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&file), VD_JSON_LIMITS(1 << 20), &j, NULL));
    VD_AUTO_BUF crl = vd_buf_of(1 << 20);
    VD_AUTO_BUF root = vd_buf_of(1 << 20);
    member(j, "pck_crl", &crl);
    coll_hex(&c, DCAP_PCK_CRL, vd_buf_span(&crl));
    member(j, "root_ca_crl", &root);
    coll_hex(&c, DCAP_ROOT_CRL, vd_buf_span(&root));
    member(j, "pck_crl_issuer_chain", &c.buf[DCAP_PCK_CRL_CHAIN]);
    member(j, "tcb_info_issuer_chain", &c.buf[DCAP_TCB_INFO_CHAIN]);
    member(j, "qe_identity_issuer_chain", &c.buf[DCAP_IDENTITY_CHAIN]);
    VD_AUTO_BUF inner = vd_buf_of(1 << 20);
    VD_AUTO_BUF sig = vd_buf_of(1 << 10);
    member(j, "tcb_info", &inner);
    member(j, "tcb_info_signature", &sig);
    coll_wrap(&c, DCAP_TCB_INFO, "tcbInfo", vd_buf_span(&inner), vd_buf_span(&sig));
    vd_buf_reset(&inner);
    vd_buf_reset(&sig);
    member(j, "qe_identity", &inner);
    member(j, "qe_identity_signature", &sig);
    coll_wrap(&c, DCAP_IDENTITY, "enclaveIdentity", vd_buf_span(&inner), vd_buf_span(&sig));
    return c;
}

UNUSED static void until_nul(vd_span *s)
{
    s->n = vd_span_find(*s, 0);
}

/* Open Enclave's raw dump: two numbers, seven {pointer, size}, then the seven texts. */
UNUSED static struct coll coll_oe_dump(const char *path)
{
    struct coll c = coll_new();
    VD_AUTO_BUF file = vd_test_file(path);
    vd_rd r = vd_rd_of(vd_buf_span(&file));
    vd_rd_skip(&r, 8);
    size_t n[7];
    for (int i = 0; i < 7; i++) {
        vd_rd_skip(&r, 8);
        n[i] = (size_t)vd_rd_u64le(&r);
    }
    static const enum dcap_item order[] = { DCAP_PCK_CRL_CHAIN,  DCAP_ROOT_CRL, DCAP_PCK_CRL,
                                            DCAP_TCB_INFO_CHAIN, DCAP_TCB_INFO, DCAP_IDENTITY_CHAIN,
                                            DCAP_IDENTITY };
    for (int i = 0; i < 7; i++) {
        vd_span s = vd_rd_take(&r, n[i]);
        until_nul(&s);
        if (order[i] == DCAP_ROOT_CRL || order[i] == DCAP_PCK_CRL)
            coll_hex(&c, order[i], s);
        else
            coll_set(&c, order[i], s);
    }
    assert_false(r.bad);
    return c;
}

/* Two comment lines, then four numbers, nine offsets, the data; see openenclave's endorsements. */
UNUSED static vd_span after_comments(const vd_buf *file)
{
    vd_span s = vd_buf_span(file);
    for (int i = 0; i < 2; i++)
        s = vd_span_part(s, vd_span_find(s, '\n') + 1, s.n);
    return s;
}

#define SOLANA INTEL "automata-dcap-attestation/solana/"
#define FORGE_0825 INTEL "automata-dcap-attestation/forge-0825/"
#define FORGE_1025 INTEL "automata-dcap-attestation/forge-1025/"
#define OE INTEL "openenclave/host_verify/"

/* Documents of a folder, signed by the certificate of 2025, CRLs of Platform CA and root. */
UNUSED static struct coll coll_automata(const char *tcb, const char *identity, const char *pck_crl)
{
    static const char *const signer[] = { SOLANA "signing.der", SOLANA "root.der" };
    struct coll c = coll_new();
    coll_file(&c, DCAP_TCB_INFO, tcb);
    coll_file(&c, DCAP_IDENTITY, identity);
    coll_der_chain(&c, DCAP_TCB_INFO_CHAIN, signer, 2);
    coll_der_chain(&c, DCAP_IDENTITY_CHAIN, signer, 2);
    coll_file(&c, DCAP_PCK_CRL, pck_crl);
    coll_file(&c, DCAP_ROOT_CRL, SOLANA "intel_root_ca_crl.der");
    return c;
}
UNUSED static struct coll coll_1025(void)
{
    return coll_automata(FORGE_1025 "tcb_info.json", FORGE_1025 "identity.json",
                         FORGE_1025 "pck_crl.der");
}

/* Documents of 2023 and the certificate that signed them, which a later dump holds. */
UNUSED static struct coll coll_2023(void)
{
    struct coll c = coll_oe_dump(OE "tdx_endorsement.bin");
    coll_file(&c, DCAP_TCB_INFO, INTEL "go-tdx-guest/sample_tcbInfo_response");
    coll_file(&c, DCAP_IDENTITY, INTEL "go-tdx-guest/sample_qeIdentity_response");
    coll_file(&c, DCAP_PCK_CRL, INTEL "go-tdx-guest/pckcrl");
    coll_file(&c, DCAP_ROOT_CRL, INTEL "go-tdx-guest/rootcrl.der");
    return c;
}

/* A number (r or s) of a DER signature as fixed width. */
UNUSED static void put_number(vd_rd *r, vd_buf *out)
{
    vd_span v = vd_der_value(r, VD_DER_INTEGER);
    while (v.n > 32)
        v = vd_span_part(v, 1, v.n);
    for (size_t i = v.n; i < 32; i++)
        vd_buf_u8(out, 0);
    vd_buf_add(out, v);
}

/* fortanix keeps a document as {raw text, DER signature as numbers, chain}: TCB info or identity
 * with its chain. */
UNUSED static void coll_fortanix(struct coll *c, enum dcap_item item, const char *path)
{
    bool identity = item == DCAP_IDENTITY;
    VD_AUTO_BUF file = vd_test_file(path);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&file), VD_JSON_LIMITS(1 << 20), &j, NULL));
    VD_AUTO_BUF raw = vd_buf_of(1 << 20);
    member(j, identity ? "raw_enclave_identity" : "raw_tcb_info", &raw);
    vd_jv sig = vd_jv_get(vd_json_root(j), "signature");
    uint8_t der[80];
    size_t n = vd_jv_count(sig);
    assert_true(n <= sizeof der);
    assert_ok(vd_jv_bytes(sig, der, n, NULL));
    vd_rd r = vd_rd_of(vd_span_of(der, n));
    vd_rd seq = vd_der_enter(&r, VD_DER_SEQUENCE);
    VD_AUTO_BUF rs = vd_buf_of(64);
    put_number(&seq, &rs);
    put_number(&seq, &rs);
    VD_AUTO_BUF hex = vd_buf_of(128);
    vd_hex_encode(vd_buf_span(&rs), &hex);
    coll_wrap(c, item, identity ? "enclaveIdentity" : "tcbInfo", vd_buf_span(&raw),
              vd_buf_span(&hex));
    vd_buf *chain = &c->buf[identity ? DCAP_IDENTITY_CHAIN : DCAP_TCB_INFO_CHAIN];
    vd_buf_reset(chain);
    vd_jv_iter it = vd_jv_iter_of(vd_jv_get(vd_json_root(j), "ca_chain"));
    while (vd_jv_next(&it)) {
        assert_ok(vd_jv_str(it.value, chain, NULL));
        vd_buf_str(chain, "\n");
    }
}

/* Pinned roots, a cache, no floors. */
struct kit {
    struct dcap_roots *roots;
    struct dcap_cache *cache;
    struct dcap_cfg cfg;
};
UNUSED static void kit_done(struct kit *k)
{
    dcap_cache_free(k->cache);
    dcap_roots_free(k->roots);
}
#define AUTO_KIT __attribute__((cleanup(kit_done))) struct kit
UNUSED static struct kit kit_new(void)
{
    struct kit k = { 0 };
    vd_err err = { 0 };
    if (dcap_roots_new(NULL, 0, &k.roots, &err).code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_non_null(k.roots);
    assert_ok(dcap_cache_new(k.roots, 64, &k.cache, NULL));
    k.cfg = (struct dcap_cfg){ .roots = k.roots, .cache = k.cache };
    return k;
}

/* Parse and verify; the result is the caller's. */
UNUSED static vd_code verify(const struct kit *k, vd_span quote, const struct dcap_collateral *coll,
                             int64_t now, struct dcap_result *ret, vd_err *err)
{
    struct dcap_quote q;
    *err = (vd_err){ 0 };
    vd_rc_ rc = dcap_quote_parse(quote, &q, err);
    if (rc.code != VD_E_OK)
        return rc.code;
    VD_AUTO(iss_claims_list_free) struct iss_claims_list *list = iss_claims_list_new();
    rc = dcap_verify(&k->cfg, &q, coll, now, ret, list, err);
    /* a refusal is in the record as well; success has no failed check */
    bool failed = false;
    for (size_t i = 0; i < list->n_checks; i++)
        failed |= !list->check[i].ok;
    assert_int_equal(failed, rc.code != VD_E_OK);
    assert_true(list->n_checks < ISS_CHECKS_MAX - 16);
    return rc.code;
}

UNUSED static void expect(const char *name, vd_code want, const struct kit *k, vd_span quote,
                          const struct dcap_collateral *coll, int64_t now)
{
    DCAP_AUTO_RESULT res = { 0 };
    vd_err err;
    vd_code got = verify(k, quote, coll, now, &res, &err);
    if (got != want) {
        print_error("%s: got %s (%s), wanted %s\n", name, got ? vd_error_row(got)->symbol : "OK",
                    err.msg, want ? vd_error_row(want)->symbol : "OK");
        fail();
    }
}

UNUSED static int64_t at(const char *rfc3339)
{
    int64_t t = 0;
    assert_ok(vd_time_parse(vd_span_str(rfc3339), &t, NULL));
    return t;
}
