/* Quotes of versions 3, 4 and 5, and the evidence around them; see simtdx.h. */
#include <string.h>

#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "tests/support/simcli/simcli.h"
#include "tests/support/simtdx/priv.h"

static void add(vd_buf *out, const uint8_t *p, size_t n)
{
    vd_buf_add(out, vd_span_of(p, n));
}

static void zeros(vd_buf *out, size_t n)
{
    uint8_t *at = vd_buf_extend(out, n);
    simtdx_must(at != NULL, "memory");
    memset(at, 0, n);
}

static void fill(uint8_t *to, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(from + i);
}

static void td_defaults(struct simtdx_td *td)
{
    td->tcb_svn[0] = td->tcb_svn2[0] = 5;
    td->tcb_svn[1] = td->tcb_svn2[1] = 1;
    td->tcb_svn[2] = td->tcb_svn2[2] = 3;
    td->td_attributes = UINT64_C(1) << 28; /* SEPT_VE_DISABLE */
    td->xfam = UINT64_C(0x618e7);
    fill(td->mr_seam, sizeof td->mr_seam, 0x20);
    fill(td->mr_td, sizeof td->mr_td, 0xa0);
}

static void qe_defaults(struct simtdx_quote *q)
{
    q->qe = (struct simtdx_enclave){
        .flags = 0x15, .xfrm = 0xe7, .isv_prod_id = q->sgx ? 1 : 2, .isv_svn = 8
    };
    fill(q->qe.cpusvn, 8, 3);
    fill(q->qe.mrenclave, sizeof q->qe.mrenclave, 0x60);
    fill(q->qe.mrsigner, sizeof q->qe.mrsigner, q->sgx ? 0x8c : 0xdc);
    q->n_auth = 32;
    fill(q->auth, q->n_auth, 0);
}

void simtdx_quote_defaults(unsigned version, unsigned body_type, struct simtdx_quote *ret)
{
    static const uint8_t vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                        0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
    struct simtdx_quote q = { .version = version, .body_type = body_type, .key_type = 2 };
    q.sgx = version == 3 || (version == 5 && body_type == 1);
    q.tee_type = q.sgx ? 0 : 0x81;
    q.qe_svn = version == 3 ? 8 : 0;
    q.pce_svn = version == 3 ? 13 : 0;
    memcpy(q.vendor_id, vendor, sizeof vendor);
    fill(q.user_data, 16, 0x11);
    td_defaults(&q.td);
    q.enclave = (struct simtdx_enclave){ .flags = 5, .xfrm = 0xe7, .isv_prod_id = 7, .isv_svn = 3 };
    fill(q.enclave.cpusvn, 8, 3);
    fill(q.enclave.mrenclave, sizeof q.enclave.mrenclave, 0xb0);
    fill(q.enclave.mrsigner, sizeof q.enclave.mrsigner, 0x40);
    qe_defaults(&q);
    *ret = q;
}

static void put_enclave(vd_buf *out, const struct simtdx_enclave *e)
{
    add(out, e->cpusvn, 16);
    vd_buf_le(out, e->miscselect, 4);
    zeros(out, 12);
    add(out, e->isv_ext_prod_id, 16);
    vd_buf_le(out, e->flags, 8);
    vd_buf_le(out, e->xfrm, 8);
    add(out, e->mrenclave, 32);
    zeros(out, 32);
    add(out, e->mrsigner, 32);
    zeros(out, 32);
    add(out, e->config_id, 64);
    vd_buf_le(out, e->isv_prod_id, 2);
    vd_buf_le(out, e->isv_svn, 2);
    vd_buf_le(out, e->config_svn, 2);
    zeros(out, 42);
    add(out, e->isv_family_id, 16);
    add(out, e->report_data, 64);
}

static void put_td(vd_buf *out, const struct simtdx_td *t, unsigned body_type)
{
    add(out, t->tcb_svn, 16);
    add(out, t->mr_seam, 48);
    add(out, t->mrsigner_seam, 48);
    vd_buf_le(out, t->seam_attributes, 8);
    vd_buf_le(out, t->td_attributes, 8);
    vd_buf_le(out, t->xfam, 8);
    add(out, t->mr_td, 48);
    add(out, t->mr_config_id, 48);
    add(out, t->mr_owner, 48);
    add(out, t->mr_owner_config, 48);
    for (size_t i = 0; i < 4; i++)
        add(out, t->rtmr[i], 48);
    add(out, t->report_data, 64);
    if (body_type >= 3) {
        add(out, t->tcb_svn2, 16);
        add(out, t->mr_service_td, 48);
    }
    if (body_type == 4)
        add(out, t->rest, sizeof t->rest);
}

static void put_signed(vd_buf *out, const struct simtdx_quote *q)
{
    VD_AUTO_BUF body = vd_buf_of(4096);
    vd_buf_le(out, q->version, 2);
    vd_buf_le(out, q->key_type, 2);
    vd_buf_le(out, q->tee_type, 4);
    vd_buf_le(out, q->qe_svn, 2);
    vd_buf_le(out, q->pce_svn, 2);
    add(out, q->vendor_id, 16);
    add(out, q->user_data, 20);
    if (q->sgx)
        put_enclave(&body, &q->enclave);
    else
        put_td(&body, &q->td, q->version == 5 ? q->body_type : 2);
    if (q->version == 5) {
        vd_buf_le(out, q->body_type, 2);
        vd_buf_le(out, q->body_size ? q->body_size : body.n, 4);
    }
    vd_buf_add(out, vd_buf_span(&body));
}

static void put_chain(const struct simtdx_pki *p, const struct simtdx_quote *q,
                      const struct simtdx_pck *pck, vd_buf *out)
{
    enum simtdx_key ca = pck->processor ? SIMTDX_PROCESSOR : SIMTDX_PLATFORM;
    if (q->chain.n > 0) {
        vd_buf_add(out, q->chain);
        return;
    }
    if (q->order == SIMTDX_ROOT_CA_LEAF) {
        simtdx_cert_pem(p, SIMTDX_ROOT, out);
        simtdx_cert_pem(p, ca, out);
        simtdx_pck_make(p, pck, out);
    } else {
        simtdx_pck_make(p, pck, out);
        simtdx_cert_pem(p, q->order == SIMTDX_LEAF_CA_ROOT ? ca : SIMTDX_ROOT, out);
        simtdx_cert_pem(p, q->order == SIMTDX_LEAF_CA_ROOT ? SIMTDX_ROOT : ca, out);
    }
    if (q->chain_nul)
        vd_buf_u8(out, 0);
}

/* QE report, its signature, authentication data, chain: what versions 4 and 5 wrap once more. */
static void put_certification(const struct simtdx_pki *p, const struct simtdx_quote *q,
                              const struct simtdx_pck *pck, const uint8_t point[64], vd_buf *out)
{
    struct simtdx_enclave qe = q->qe;
    VD_AUTO_BUF bound = vd_buf_of(1024);
    VD_AUTO_BUF chain = vd_buf_of(65536);
    uint8_t signature[64];
    add(&bound, point, 64);
    add(&bound, q->auth, q->n_auth);
    if (!q->unbound) {
        memset(qe.report_data, 0, sizeof qe.report_data);
        simtdx_must(sim_digest("sha256", vd_buf_span(&bound), qe.report_data) == 32, "hashing");
    }
    size_t from = out->n;
    put_enclave(out, &qe);
    simtdx_sign(p, q->qe_signer ? q->qe_signer : SIMTDX_PCK,
                vd_span_of(out->p + from, SIMTDX_SGX_BODY), signature);
    add(out, signature, sizeof signature);
    vd_buf_le(out, q->n_auth, 2);
    add(out, q->auth, q->n_auth);
    put_chain(p, q, pck, &chain);
    vd_buf_le(out, q->cert_type ? q->cert_type : 5, 2);
    vd_buf_le(out, chain.n, 4);
    vd_buf_add(out, vd_buf_span(&chain));
}

void simtdx_quote_make(const struct simtdx_pki *p, const struct simtdx_quote *q,
                       const struct simtdx_pck *pck, vd_buf *out)
{
    VD_AUTO_BUF head = vd_buf_of(4096);
    VD_AUTO_BUF certification = vd_buf_of(131072);
    VD_AUTO_BUF data = vd_buf_of(131072);
    uint8_t signature[64];
    uint8_t point[64];
    put_signed(&head, q);
    simtdx_sign(p, q->quote_signer ? q->quote_signer : SIMTDX_ATTESTATION, vd_buf_span(&head),
                signature);
    simtdx_point(p->key[SIMTDX_ATTESTATION], point);
    put_certification(p, q, pck, point, &certification);
    add(&data, signature, sizeof signature);
    add(&data, point, sizeof point);
    if (q->version != 3) {
        vd_buf_le(&data, 6, 2);
        vd_buf_le(&data, certification.n, 4);
    }
    vd_buf_add(&data, vd_buf_span(&certification));
    vd_buf_add(out, vd_buf_span(&head));
    vd_buf_le(out, data.n, 4);
    vd_buf_add(out, vd_buf_span(&data));
    vd_buf_add(out, q->trailing);
    simtdx_must(!out->bad && !data.bad && !certification.bad && !head.bad, "memory");
}

void simtdx_evidence(vd_span quote, bool sgx, vd_span log, vd_buf *json)
{
    vd_jw w = vd_jw_of(json);
    vd_jw_obj(&w);
    if (!sgx) {
        vd_jw_key(&w, "cc_eventlog");
        if (log.n > 0)
            vd_jw_b64(&w, log, VD_B64_STD);
        else
            vd_jw_null(&w);
    }
    vd_jw_key(&w, "quote");
    vd_jw_b64(&w, quote, VD_B64_STD);
    vd_jw_end(&w);
}
