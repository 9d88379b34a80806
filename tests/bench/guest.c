/* Challenges, evidence and attest requests for the flows; see guest.h. */
#include "tests/bench/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/wire/kbs.h"

bool guest_init(struct guest *g, enum guest_tee tee, const struct sim_pki *pki, enum vd_kty kty)
{
    *g = (struct guest){ .tee = tee,
                         .pki = pki,
                         .vcek = vd_buf_of(65536),
                         .jwk = vd_buf_of(65536),
                         .pem = vd_buf_of(65536),
                         .log = vd_buf_of(4u << 20) };
    if (tee == GUEST_SNP) {
        struct sim_report report;
        struct sim_cert cert;
        sim_report_defaults(sim_pki_line(pki), &report);
        sim_cert_defaults(&report, false, &cert);
        sim_cert_make(pki, &cert, &g->vcek);
    }
    VD_AUTO_BUF jwk = vd_buf_of(65536);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    const char *alg = kty == VD_KTY_RSA        ? "RSA-OAEP-256"
                      : kty == VD_KTY_MLKEM768 ? "ML-KEM-768+A192KW"
                                               : "ECDH-ES+A256KW";
    return vd_key_generate(kty, 2048, &g->key, NULL).code == VD_E_OK &&
           vd_key_to_jwk(g->key, alg, &jwk, NULL).code == VD_E_OK &&
           vd_json_parse(vd_buf_span(&jwk), VD_JSON_LIMITS(65536), &j, NULL).code == VD_E_OK &&
           vd_kbs_tee_key_canonical(vd_json_root(j), &g->jwk, NULL).code == VD_E_OK;
}

bool guest_init_tdx(struct guest *g, const struct simtdx_pki *intel, size_t log_bytes)
{
    struct simtdx_log log;
    if (!guest_init(g, GUEST_TDX, NULL, VD_KTY_P256))
        return false;
    g->intel = intel;
    simtdx_quote_defaults(4, 2, &g->quote);
    simtdx_pck_defaults(&g->pck);
    simtdx_pck_make(intel, &g->pck, &g->pem);
    simtdx_chain_pem(intel, SIMTDX_PLATFORM, &g->pem);
    g->quote.chain = vd_buf_span(&g->pem);
    simtdx_log_boot(&log, log_bytes);
    simtdx_log_end(&log);
    memcpy(g->quote.td.rtmr, log.rtmr, sizeof log.rtmr);
    if (log_bytes > 0)
        vd_buf_add(&g->log, vd_buf_span(&log.bytes));
    simtdx_log_done(&log);
    return !g->pem.bad && !g->log.bad;
}

void guest_done(struct guest *g)
{
    vd_buf_done(&g->vcek);
    vd_buf_done(&g->pem);
    vd_buf_done(&g->log);
    vd_buf_done(&g->jwk);
    vd_key_unref(g->key);
    g->key = NULL;
}

void requests_done(struct requests *r)
{
    for (size_t i = 0; i < r->n; i++)
        vd_buf_done(&r->item[i]);
    free(r->item);
    *r = (struct requests){ 0 };
}

vd_span requests_at(void *ctx, size_t i)
{
    const struct requests *r = ctx;
    return i < r->n ? vd_buf_span(&r->item[i]) : VD_SPAN_NONE;
}

void http_post(vd_buf *out, const char *path, vd_span cookie_line, vd_span body)
{
    vd_buf_printf(out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n",
                  path);
    vd_buf_add(out, cookie_line);
    vd_buf_printf(out, "Content-Length: %zu\r\n\r\n", body.n);
    vd_buf_add(out, body);
}

vd_span guest_auth_body(enum guest_tee tee)
{
    static const char hashes[] = "\"extra-params\":{\"supported-hash-algorithms\":[\"sha256\","
                                 "\"sha384\",\"sha512\",\"sm3\"]}}";
    static const char *const name[] = { "sample", "snp", "tdx" };
    static char text[3][256];
    (void)snprintf(text[tee], sizeof text[tee], "{\"version\":\"0.4.0\",\"tee\":\"%s\",%s",
                   name[tee], hashes);
    return vd_span_str(text[tee]);
}

void guest_measurement(vd_buf *hex)
{
    struct sim_report r;
    sim_report_defaults(SIM_MILAN, &r);
    vd_hex_encode(vd_span_of(r.measurement, sizeof r.measurement), hex);
}

static void evidence_tdx(const struct guest *g, vd_span digest, vd_buf *out)
{
    VD_AUTO_BUF quote = vd_buf_of(1u << 20);
    struct simtdx_quote q = g->quote;
    memcpy(q.td.report_data, digest.p, digest.n);
    simtdx_quote_make(g->intel, &q, &g->pck, &quote);
    simtdx_evidence(vd_buf_span(&quote), false, vd_buf_span(&g->log), out);
}

static void evidence(struct guest *g, vd_span digest, vd_buf *out)
{
    if (g->tee == GUEST_TDX) {
        evidence_tdx(g, digest, out);
        return;
    }
    if (g->tee == GUEST_SAMPLE) {
        vd_jw w = vd_jw_of(out);
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "svn", "1");
        vd_jw_key(&w, "report_data");
        vd_jw_b64(&w, digest, VD_B64_STD);
        vd_jw_end(&w);
        return;
    }
    struct sim_report r;
    uint8_t bytes[SIM_REPORT];
    sim_report_defaults(sim_pki_line(g->pki), &r);
    memset(r.report_data, 0, sizeof r.report_data);
    memcpy(r.report_data, digest.p, digest.n);
    sim_report_bytes(&r, bytes);
    sim_report_sign(g->pki, false, bytes);
    sim_evidence_json(vd_span_of(bytes, sizeof bytes), r.line, "VCEK", vd_buf_span(&g->vcek), out);
}

/* The /attest request that answers a challenge. */
static bool attest_request(struct guest *g, vd_span head, vd_span body, vd_buf *out)
{
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    VD_AUTO_BUF nonce = vd_buf_of(4096);
    uint8_t digest[VD_HASH_BYTES_MAX];
    const vd_span none = VD_SPAN_NONE;
    if (vd_json_parse(body, VD_JSON_LIMITS(65536), &j, NULL).code != VD_E_OK ||
        vd_jv_str(vd_jv_get(vd_json_root(j), "nonce"), &nonce, NULL).code != VD_E_OK ||
        vd_kbs_report_data(VD_SHA384, vd_buf_span(&nonce), vd_buf_span(&g->jwk), &none, digest,
                           NULL)
                .code != VD_E_OK)
        return false;
    VD_AUTO_BUF ev = vd_buf_of(1u << 20);
    evidence(g, vd_span_of(digest, 48), &ev);
    VD_AUTO_BUF b = vd_buf_of(2u << 20);
    vd_buf_printf(&b, "{\"init-data\":null,\"runtime-data\":{\"nonce\":\"%s\",\"tee-pubkey\":",
                  vd_buf_cstr(&nonce));
    vd_buf_add(&b, vd_buf_span(&g->jwk));
    vd_buf_str(&b, "},\"tee-evidence\":{\"primary_evidence\":");
    vd_buf_add(&b, vd_buf_span(&ev));
    vd_buf_str(&b, ",\"additional_evidence\":\"\"}}");
    VD_AUTO_BUF cookie = vd_buf_of(16384);
    static const char set[] = "\r\nset-cookie: ";
    for (size_t i = 0; i + sizeof set < head.n; i++) {
        if (strncasecmp((const char *)head.p + i, set, sizeof set - 1) != 0)
            continue;
        vd_span value = vd_span_part(head, i + sizeof set - 1, head.n);
        vd_buf_str(&cookie, "Cookie: ");
        vd_buf_add(&cookie, vd_span_part(value, 0, vd_span_find(value, ';')));
        vd_buf_str(&cookie, "\r\n");
        break;
    }
    *out = vd_buf_of(4u << 20);
    http_post(out, "/kbs/v0/attest", vd_buf_span(&cookie), vd_buf_span(&b));
    return cookie.n > 0 && !b.bad && !out->bad && !ev.bad;
}

struct preparing {
    struct guest *guest;
    struct requests *to;
    vd_buf auth;
    bool bad;
};

static vd_span auth_request(void *ctx, size_t i)
{
    (void)i;
    return vd_buf_span(&((struct preparing *)ctx)->auth);
}

static void challenge_arrived(void *ctx, size_t i, int status, vd_span head, vd_span body)
{
    (void)i;
    struct preparing *p = ctx;
    struct requests *r = p->to;
    if (status == 200 && r->n < r->room && attest_request(p->guest, head, body, &r->item[r->n]))
        r->n++;
    else
        p->bad = true;
}

bool guest_prepare(struct guest *g, uint16_t port, size_t n, struct requests *ret)
{
    *ret = (struct requests){ .item = calloc(n, sizeof *ret->item), .room = n };
    struct preparing p = { .guest = g, .to = ret, .auth = vd_buf_of(4096) };
    http_post(&p.auth, "/kbs/v0/auth", VD_SPAN_NONE, guest_auth_body(g->tee));
    const struct load l = { .port = port,
                            .connections = 1,
                            .requests = n,
                            .request = auth_request,
                            .answer = challenge_arrived,
                            .ctx = &p };
    struct load_result r;
    bool ok = ret->item && load_run(&l, &r) && !p.bad && ret->n == n;
    vd_buf_done(&p.auth);
    return ok;
}

static void passport_arrived(void *ctx, size_t i, int status, vd_span head, vd_span body)
{
    (void)i;
    (void)head;
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    vd_buf *passport = ctx;
    if (status == 200 && vd_json_parse(body, VD_JSON_LIMITS(1u << 20), &j, NULL).code == VD_E_OK)
        (void)vd_jv_str(vd_jv_get(vd_json_root(j), "token"), passport, NULL).code;
    else
        (void)fprintf(stderr, "vd_bench: attest answered %d %.*s\n", status, (int)body.n,
                      (const char *)body.p);
}

struct single {
    struct requests *requests;
    vd_buf *passport;
};

static vd_span single_request(void *ctx, size_t i)
{
    return requests_at(((struct single *)ctx)->requests, i);
}

static void single_answer(void *ctx, size_t i, int status, vd_span head, vd_span body)
{
    passport_arrived(((struct single *)ctx)->passport, i, status, head, body);
}

bool guest_passport(struct guest *g, uint16_t port, vd_buf *passport)
{
    struct requests requests;
    bool ok = guest_prepare(g, port, 1, &requests);
    struct single s = { &requests, passport };
    const struct load l = { .port = port,
                            .connections = 1,
                            .requests = 1,
                            .request = single_request,
                            .answer = single_answer,
                            .ctx = &s };
    struct load_result r;
    ok = ok && load_run(&l, &r) && passport->n > 0;
    requests_done(&requests);
    return ok;
}
