/* Quotes of versions 3, 4 and 5; see quote.h. Sizes and order: Intel's quote structures
 * sgx_quote_3, sgx_quote_4, sgx_quote_5; all integers little-endian, all ECDSA values big-endian.
 */
#include "issuer/tee/dcap/quote.h"

enum { TEE_SGX = 0x00000000, TEE_TDX = 0x00000081, KEY_ECDSA_P256 = 2, CERT_QE_REPORT = 6 };

/* Intel's quoting enclaves (QE vendor id). */
static const uint8_t intel[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                   0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

const char *dcap_tee_name(enum dcap_tee tee)
{
    return tee == DCAP_TDX ? "TDX" : "SGX";
}

static void read_enclave(vd_rd *r, struct dcap_enclave *e)
{
    e->cpu_svn = vd_rd_take(r, 16);
    e->misc_select = vd_rd_take(r, 4);
    e->reserved1 = vd_rd_take(r, 12);
    e->ext_prod_id = vd_rd_take(r, 16);
    e->attributes = vd_rd_take(r, 16);
    e->flags = vd_span_part(e->attributes, 0, 8);
    e->xfrm = vd_span_part(e->attributes, 8, 8);
    e->mr_enclave = vd_rd_take(r, 32);
    e->reserved2 = vd_rd_take(r, 32);
    e->mr_signer = vd_rd_take(r, 32);
    e->reserved3 = vd_rd_take(r, 32);
    e->config_id = vd_rd_take(r, 64);
    e->isv_prod_id = vd_rd_take(r, 2);
    e->isv_svn = vd_rd_take(r, 2);
    e->config_svn = vd_rd_take(r, 2);
    e->reserved4 = vd_rd_take(r, 42);
    e->family_id = vd_rd_take(r, 16);
    e->report_data = vd_rd_take(r, 64);
}

vd_rc dcap_enclave_parse(vd_span in, struct dcap_enclave *ret, vd_err *err)
{
    struct dcap_enclave e;
    vd_rd r = vd_rd_of(in);
    read_enclave(&r, &e);
    if (!vd_rd_end(&r))
        return vd_fail(err, VD_E_BAD_EVIDENCE, "enclave report of %zu bytes instead of %d", in.n,
                       DCAP_ENCLAVE_REPORT);
    *ret = e;
    return VD_OK;
}

static void read_td_10(vd_rd *r, struct dcap_td *t)
{
    t->tee_tcb_svn = vd_rd_take(r, 16);
    t->mr_seam = vd_rd_take(r, 48);
    t->mr_signer_seam = vd_rd_take(r, 48);
    t->seam_attributes = vd_rd_take(r, 8);
    t->td_attributes = vd_rd_take(r, 8);
    t->xfam = vd_rd_take(r, 8);
    t->mr_td = vd_rd_take(r, 48);
    t->mr_config_id = vd_rd_take(r, 48);
    t->mr_owner = vd_rd_take(r, 48);
    t->mr_owner_config = vd_rd_take(r, 48);
    for (size_t i = 0; i < 4; i++)
        t->rtmr[i] = vd_rd_take(r, 48);
    t->report_data = vd_rd_take(r, 64);
}

static void read_td(vd_rd *r, enum dcap_body body, struct dcap_td *t)
{
    read_td_10(r, t);
    if (body == DCAP_BODY_TD10)
        return;
    t->tee_tcb_svn2 = vd_rd_take(r, 16);
    t->mr_service_td = vd_rd_take(r, 48);
    if (body == DCAP_BODY_TD15)
        return;
    t->vmid = vd_rd_take(r, 1);
    t->td_id = vd_rd_take(r, 32);
    t->device_info_hash = vd_rd_take(r, 48);
    t->init_service_td_hash = vd_rd_take(r, 48);
    t->init_service_td_attr = vd_rd_take(r, 8);
    t->init_cpu_svn = vd_rd_take(r, 16);
    t->init_tee_tcb_svn = vd_rd_take(r, 16);
    t->init_fmspc = vd_rd_take(r, 12);
    t->service_td_hash = vd_rd_take(r, 48);
    t->service_td_attr = vd_rd_take(r, 8);
}

static vd_rc short_quote(const vd_rd *r, vd_err *err)
{
    return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: short at byte %zu of %zu", r->bad_at, r->in.n);
}

static vd_rc check_tee(struct dcap_quote *q, vd_err *err)
{
    uint64_t tee = dcap_le(q->tee_type);
    if (tee == TEE_TDX && q->version >= 4) {
        q->tee = DCAP_TDX;
        return VD_OK;
    }
    if (tee != TEE_SGX)
        return vd_fail(err, VD_E_EVIDENCE_VERSION, "quote: TEE type 0x%llx in version %u",
                       (unsigned long long)tee, q->version);
    q->tee = DCAP_SGX;
    return VD_OK;
}

static vd_rc read_header(vd_rd *r, struct dcap_quote *q, vd_err *err)
{
    q->raw_version = vd_rd_take(r, 2);
    q->version = (uint16_t)dcap_le(q->raw_version);
    q->att_key_type = vd_rd_take(r, 2);
    q->tee_type = vd_rd_take(r, 4);
    q->reserved = vd_rd_take(r, 4);
    q->qe_svn = vd_span_part(q->reserved, 0, 2);
    q->pce_svn = vd_span_part(q->reserved, 2, 2);
    q->vendor_id = vd_rd_take(r, 16);
    q->user_data = vd_rd_take(r, 20);
    if (r->bad)
        return short_quote(r, err);
    if (q->version < 3 || q->version > 5)
        return vd_fail(err, VD_E_EVIDENCE_VERSION,
                       "quote: version %u, known are 3, 4 and 5 (EPID quotes have 1 and 2)",
                       q->version);
    VD_TRY(check_tee(q, err));
    if (dcap_le(q->att_key_type) != KEY_ECDSA_P256)
        return vd_fail(err, VD_E_KEY_TYPE,
                       "quote: attestation key type %llu is not 2 (ECDSA P-256)",
                       (unsigned long long)dcap_le(q->att_key_type));
    if (!vd_span_eq(q->vendor_id, vd_span_of(intel, sizeof intel)))
        return vd_fail(err, VD_E_KEY_TYPE, "quote: the quoting enclave is not Intel's (vendor id)");
    return VD_OK;
}

/* The body's kind: told by its descriptor in version 5, by the TEE before. */
static vd_rc read_descriptor(vd_rd *r, struct dcap_quote *q, size_t *ret_size, vd_err *err)
{
    static const size_t size_of[] = { [DCAP_BODY_SGX] = DCAP_ENCLAVE_REPORT,
                                      [DCAP_BODY_TD10] = DCAP_TD_REPORT_10,
                                      [DCAP_BODY_TD15] = DCAP_TD_REPORT_15,
                                      [DCAP_BODY_TD15EX] = DCAP_TD_REPORT_15EX };
    if (q->version < 5) {
        q->body = q->tee == DCAP_SGX ? DCAP_BODY_SGX : DCAP_BODY_TD10;
        *ret_size = size_of[q->body];
        return VD_OK;
    }
    q->raw_body_type = vd_rd_take(r, 2);
    q->raw_body_size = vd_rd_take(r, 4);
    if (r->bad)
        return short_quote(r, err);
    uint64_t type = dcap_le(q->raw_body_type);
    if (type < DCAP_BODY_SGX || type > DCAP_BODY_TD15EX)
        return vd_fail(err, VD_E_EVIDENCE_VERSION, "quote: body type %llu, known are 1 to 4",
                       (unsigned long long)type);
    q->body = (enum dcap_body)type;
    if ((q->body == DCAP_BODY_SGX) != (q->tee == DCAP_SGX))
        return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: body type %llu in a quote of %s",
                       (unsigned long long)type, dcap_tee_name(q->tee));
    if (dcap_le(q->raw_body_size) != size_of[q->body])
        return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: body of %llu bytes, type %llu has %zu",
                       (unsigned long long)dcap_le(q->raw_body_size), (unsigned long long)type,
                       size_of[q->body]);
    *ret_size = size_of[q->body];
    return VD_OK;
}

static vd_rc read_body(vd_rd *r, struct dcap_quote *q, vd_err *err)
{
    size_t size = 0;
    VD_TRY(read_descriptor(r, q, &size, err));
    q->body_raw = vd_rd_take(r, size);
    if (r->bad)
        return short_quote(r, err);
    vd_rd body = vd_rd_of(q->body_raw);
    if (q->tee == DCAP_SGX)
        read_enclave(&body, &q->enclave);
    else
        read_td(&body, q->body, &q->td);
    if (!vd_rd_end(&body))
        return vd_fail(err, VD_E_INTERNAL, "quote: body layout");
    q->signed_part = vd_span_part(r->in, 0, r->at);
    return VD_OK;
}

static const char *cert_type_name(unsigned type)
{
    static const char *const names[] = {
        "none",      "PPID, plain", "PPID, RSA-2048",   "PPID, RSA-3072", "PCK certificate alone",
        "PCK chain", "QE report",   "platform manifest"
    };
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

/* From the QE report on: the same in all versions. Must fill `r` to its end. */
static vd_rc read_qe(vd_rd *r, struct dcap_quote *q, vd_err *err)
{
    q->qe_raw = vd_rd_take(r, DCAP_ENCLAVE_REPORT);
    q->qe_signature = vd_rd_take(r, DCAP_SIG);
    q->qe_auth = vd_rd_take(r, vd_rd_u16le(r));
    q->cert_type = vd_rd_u16le(r);
    q->cert_data = vd_rd_take(r, vd_rd_u32le(r));
    if (r->bad)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: signature data is short at byte %zu of %zu",
                       r->bad_at, r->in.n);
    if (!vd_rd_end(r))
        return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: %zu bytes too many in its signature data",
                       vd_rd_left(r));
    if (q->cert_type != DCAP_CERT_PCK)
        return vd_fail(err, VD_E_CERT_DATA,
                       "quote: certification data of type %u (%s) is not supported; the host's "
                       "quote provider must put the PCK certificate chain (type 5) into quotes",
                       q->cert_type, cert_type_name(q->cert_type));
    vd_rd qe = vd_rd_of(q->qe_raw);
    read_enclave(&qe, &q->qe);
    return VD_OK;
}

static vd_rc read_signature_data(vd_rd *r, struct dcap_quote *q, vd_err *err)
{
    vd_rd s = vd_rd_sub(r, vd_rd_u32le(r));
    if (r->bad)
        return short_quote(r, err);
    q->signature = vd_rd_take(&s, DCAP_SIG);
    q->att_key = vd_rd_take(&s, DCAP_KEY);
    if (q->version == 3)
        return read_qe(&s, q, err);
    unsigned outer = vd_rd_u16le(&s);
    vd_rd inner = vd_rd_sub(&s, vd_rd_u32le(&s));
    if (!vd_rd_end(&s))
        return vd_fail(err, VD_E_BAD_EVIDENCE,
                       "quote: its signature data and the certification data in it disagree about "
                       "their length");
    if (outer != CERT_QE_REPORT)
        return vd_fail(err, VD_E_CERT_DATA,
                       "quote: outer certification data of type %u (%s) instead of 6 (QE report)",
                       outer, cert_type_name(outer));
    return read_qe(&inner, q, err);
}

vd_rc dcap_quote_parse(vd_span in, struct dcap_quote *ret, vd_err *err)
{
    if (in.n > DCAP_QUOTE_MAX)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "quote: %zu bytes, at most %d", in.n,
                       DCAP_QUOTE_MAX);
    struct dcap_quote q = { 0 };
    vd_rd r = vd_rd_of(in);
    VD_TRY(read_header(&r, &q, err));
    VD_TRY(read_body(&r, &q, err));
    VD_TRY(read_signature_data(&r, &q, err));
    q.consumed = r.at;
    *ret = q;
    return VD_OK;
}
