/* Files taken apart; see sort_priv.h. Every part is told by its bytes: DER, PEM, hexadecimal text,
 * JSON (searched through, strings in it too), Open Enclave's two dumps. Nesting is followed three
 * levels deep and no further. */
#include "issuer/tee/dcap/signed.h"
#include "issuer/tee/dcap/sort_priv.h"
#include "shared/codec/b64.h"

enum {
    LEVELS = 3,
    NODES = 1000000,
    STRING_MIN = 100, /* nothing of interest is shorter */
    PEM_CERTS = 64,
    /* Open Enclave, tdx_endorsement.bin: version, TEE type, seven of {pointer, size}, blobs */
    DUMP_BLOBS = 7,
    DUMP_HEAD = 8 + DUMP_BLOBS * 16,
    /* Open Enclave, oe_endorsements_t: version 1, type 2 (SGX), size, count, offsets, blobs */
    ENDORSEMENTS_MAX = 64
};

void dcap_sorter_done(struct dcap_sorter *s)
{
    for (size_t i = 0; i < s->n_pieces; i++)
        vd_buf_done(&s->piece[i].body);
    for (size_t i = 0; i < s->n_certs; i++)
        vd_cert_unref(s->cert[i]);
    free(s->piece);
    free(s->cert);
    *s = (struct dcap_sorter){ 0 };
}

struct taking {
    struct dcap_sorter *sorter;
    size_t file;
    bool known;
    bool nomem;
};

/* ---- what is kept ------------------------------------------------------------------------------
 */

static void *grown(struct taking *t, void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    size_t more = *cap ? 2 * *cap : 16;
    void *q = reallocarray(p, more, size);
    t->nomem |= !q;
    if (q)
        *cap = more;
    return q;
}

static void keep_piece(struct taking *t, enum dcap_piece piece, vd_span body)
{
    struct dcap_sorter *s = t->sorter;
    t->known = true;
    if (s->n_pieces == DCAP_SORT_PIECES)
        return;
    void *p = grown(t, s->piece, s->n_pieces, &s->cap_pieces, sizeof *s->piece);
    if (!p)
        return;
    s->piece = p;
    struct dcap_found_piece *new = &s->piece[s->n_pieces++];
    *new = (struct dcap_found_piece){ .piece = piece,
                                      .file = t->file,
                                      .body = vd_buf_of(ISS_COLLATERAL_BYTES_MAX) };
    vd_buf_add(&new->body, body);
    t->nomem |= new->body.bad;
}

static void keep_cert(struct taking *t, struct vd_cert *cert)
{
    struct dcap_sorter *s = t->sorter;
    t->known = true;
    for (size_t i = 0; i < s->n_certs; i++)
        if (vd_span_eq(vd_cert_der(s->cert[i]), vd_cert_der(cert)))
            return;
    if (s->n_certs == DCAP_SORT_CERTS)
        return;
    void *p = grown(t, s->cert, s->n_certs, &s->cap_certs, sizeof(struct vd_cert *));
    if (!p)
        return;
    s->cert = p;
    s->cert[s->n_certs++] = vd_cert_ref(cert);
}

/* ---- DER, PEM, hexadecimal ---------------------------------------------------------------------
 */

static void take_der(struct taking *t, vd_span der)
{
    VD_AUTO(vd_cert_unref) struct vd_cert *cert = NULL;
    VD_AUTO(vd_crl_unref) struct vd_crl *crl = NULL;
    if (vd_crl_parse(der, &crl, NULL).code == VD_E_OK)
        keep_piece(t, DCAP_PIECE_PCKCRL, der);
    else if (vd_cert_parse(der, &cert, NULL).code == VD_E_OK)
        keep_cert(t, cert);
}

static bool is_hex(vd_span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!digit && c > ' ')
            return false;
    }
    return s.n > 0;
}

static bool is_der(vd_span s)
{
    return s.n > 4 && s.p[0] == 0x30 && (s.p[1] & 0x80);
}

/* Without zeros behind the end that its length names: C programs write one. */
static vd_span der_alone(vd_span s)
{
    vd_rd r = vd_rd_of(vd_span_part(s, 1, s.n));
    unsigned width = vd_rd_u8(&r) & 0x7f;
    if (width == 0 || width > 4)
        return s;
    size_t n = (size_t)vd_rd_be(&r, width) + 2 + width;
    bool zeros = !r.bad && n < s.n && vd_span_zero(vd_span_part(s, n, s.n));
    return zeros ? vd_span_part(s, 0, n) : s;
}

static void take_hex(struct taking *t, vd_span text)
{
    VD_AUTO_BUF der = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    if (dcap_crl_der(text, &der, NULL).code == VD_E_OK && is_der(vd_buf_span(&der)))
        take_der(t, vd_buf_span(&der));
}

static void take_pem(struct taking *t, vd_span pem)
{
    VD_AUTO_BUF plain = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_AUTO_BUF der = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    if (vd_span_starts(pem, VD_LIT("-----BEGIN X509 CRL-----"))) {
        if (dcap_crl_der(pem, &der, NULL).code == VD_E_OK)
            take_der(t, vd_buf_span(&der));
        return;
    }
    if (dcap_chain_text(pem, &plain, NULL).code != VD_E_OK ||
        vd_certs_parse_pem(vd_buf_span(&plain), PEM_CERTS, &certs, NULL).code != VD_E_OK)
        return;
    for (size_t i = 0; i < certs->n; i++)
        keep_cert(t, certs->item[i]);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

static void take_part(struct taking *t, vd_span part, unsigned level);

/* {"<name>": text, "<name>_signature": digits} as dcap-qvl writes it: the document as it was
 * served. */
static void take_split(struct taking *t, vd_jv object, const char *name, const char *member,
                       enum dcap_piece piece)
{
    VD_AUTO_BUF inner = vd_buf_of(DCAP_DOCUMENT_MAX);
    VD_AUTO_BUF digits = vd_buf_of(256);
    VD_AUTO_BUF body = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
    VD_AUTO_BUF field = vd_buf_of(64);
    vd_buf_printf(&field, "%s_signature", name);
    vd_jv signature = vd_jv_get(object, vd_buf_cstr(&field));
    if (vd_jv_str(vd_jv_get(object, name), &inner, NULL).code != VD_E_OK ||
        vd_jv_str(signature, &digits, NULL).code != VD_E_OK || !is_hex(vd_buf_span(&digits)))
        return;
    vd_buf_printf(&body, "{\"%s\":", member);
    vd_buf_add(&body, vd_buf_span(&inner));
    vd_buf_str(&body, ",\"signature\":\"");
    vd_buf_add(&body, vd_buf_span(&digits));
    vd_buf_str(&body, "\"}");
    keep_piece(t, piece, vd_buf_span(&body));
}

static void take_object(struct taking *t, vd_jv object)
{
    if (!vd_jv_is(vd_jv_get(object, "signature"), VD_JSON_STRING)) {
        take_split(t, object, "tcb_info", "tcbInfo", DCAP_PIECE_TCB);
        take_split(t, object, "qe_identity", "enclaveIdentity", DCAP_PIECE_IDENTITY);
    } else if (vd_jv_is(vd_jv_get(object, "tcbInfo"), VD_JSON_OBJECT)) {
        keep_piece(t, DCAP_PIECE_TCB, vd_jv_raw(object));
    } else if (vd_jv_is(vd_jv_get(object, "enclaveIdentity"), VD_JSON_OBJECT)) {
        keep_piece(t, DCAP_PIECE_IDENTITY, vd_jv_raw(object));
    }
}

/* Every object and every long string, wherever it stands. */
static void take_json(struct taking *t, vd_span text, unsigned level)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    const struct vd_json_limits limits = { ISS_COLLATERAL_BYTES_MAX, 32, NODES };
    if (vd_json_parse(text, &limits, &doc, NULL).code != VD_E_OK)
        return;
    for (uint32_t i = 0; i < doc->n; i++) {
        vd_jv v = { .doc = doc, .at = i };
        if (vd_jv_is(v, VD_JSON_OBJECT))
            take_object(t, v);
        if (!vd_jv_is(v, VD_JSON_STRING) || vd_jv_str_raw(v).n < STRING_MIN)
            continue;
        VD_AUTO_BUF part = vd_buf_of(ISS_COLLATERAL_BYTES_MAX);
        if (vd_jv_str(v, &part, NULL).code == VD_E_OK)
            take_part(t, vd_buf_span(&part), level + 1);
    }
}

/* ---- Open Enclave ------------------------------------------------------------------------------
 */

static bool take_dump(struct taking *t, vd_span in, unsigned level)
{
    uint64_t size[DUMP_BLOBS];
    uint64_t left = in.n >= DUMP_HEAD ? in.n - DUMP_HEAD : 0;
    vd_rd r = vd_rd_of(in);
    vd_rd_skip(&r, 4);
    uint32_t tee = vd_rd_u32le(&r);
    for (size_t i = 0; i < DUMP_BLOBS; i++) {
        vd_rd_skip(&r, 8);
        size[i] = vd_rd_u64le(&r);
        if (r.bad || size[i] > left)
            return false;
        left -= size[i];
    }
    if (left != 0 || (tee != 0 && tee != 0x81))
        return false;
    for (size_t i = 0; i < DUMP_BLOBS; i++)
        take_part(t, vd_rd_take(&r, (size_t)size[i]), level + 1);
    return true;
}

static bool take_endorsements(struct taking *t, vd_span in, unsigned level)
{
    vd_rd r = vd_rd_of(in);
    uint32_t offset[ENDORSEMENTS_MAX];
    uint32_t version = vd_rd_u32le(&r);
    uint32_t type = vd_rd_u32le(&r);
    vd_rd_skip(&r, 4);
    uint32_t n = vd_rd_u32le(&r);
    if (r.bad || version != 1 || type != 2 || n == 0 || n > ENDORSEMENTS_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        offset[i] = vd_rd_u32le(&r);
        if (r.bad || (i > 0 && offset[i] < offset[i - 1]))
            return false;
    }
    vd_span data = vd_span_part(in, r.at, in.n);
    for (uint32_t i = 0; i < n; i++) {
        size_t end = i + 1 < n ? offset[i + 1] : data.n;
        if (end > offset[i])
            take_part(t, vd_span_part(data, offset[i], end - offset[i]), level + 1);
    }
    return true;
}

/* ---- any part ----------------------------------------------------------------------------------
 */

static void take_part(struct taking *t, vd_span part, unsigned level)
{
    vd_span text = dcap_trim(part);
    if (level > LEVELS || text.n == 0)
        return;
    if (is_der(part))
        take_der(t, der_alone(part));
    else if (text.p[0] == '{' || text.p[0] == '[')
        take_json(t, text, level);
    else if (vd_span_starts(text, VD_LIT("-----BEGIN")))
        take_pem(t, text);
    else if (is_hex(text))
        take_hex(t, text);
    else if (!take_dump(t, part, level))
        (void)take_endorsements(t, part, level);
}

/* Lines of comment before anything else, as tests of Open Enclave have them. */
static vd_span without_comments(vd_span s)
{
    while (s.n > 0 && s.p[0] == '#') {
        size_t end = vd_span_find(s, '\n');
        s = vd_span_part(s, end + 1, s.n);
    }
    return s;
}

vd_rc dcap_sorter_file(struct dcap_sorter *s, size_t file, vd_span bytes, bool *ret_known,
                       vd_err *err)
{
    struct taking t = { .sorter = s, .file = file };
    take_part(&t, without_comments(bytes), 0);
    if (t.nomem)
        return vd_fail(err, VD_E_NOMEM, "offline collateral");
    *ret_known = *ret_known || t.known;
    return VD_OK;
}
