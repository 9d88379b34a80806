/* Pinned AMD roots; see roots.h. The fingerprints stand here a second time, so that neither a
 * changed file nor a changed build can replace a root silently. Origin: keys/SOURCE.md. */
#include "issuer/tee/snp/roots.h"

#include "shared/base/slurp.h"
#include "shared/codec/b64.h"

extern const uint8_t snp_keys_milan[];
extern const size_t snp_keys_milan_n;
extern const uint8_t snp_keys_genoa[];
extern const size_t snp_keys_genoa_n;
extern const uint8_t snp_keys_turin[];
extern const size_t snp_keys_turin_n;

enum { EXTRA_FILE_BYTES = 65536, CERTS_PER_FILE = 3 };

struct pinned {
    enum snp_line line;
    const uint8_t *pem;
    const size_t *n;
    const char *sha256[CERTS_PER_FILE]; /* ASK, ARK, ASVK, as in the files */
};
static const struct pinned pins[] = {
    { SNP_MILAN,
      snp_keys_milan,
      &snp_keys_milan_n,
      { "67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b",
        "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
        "c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5" } },
    { SNP_GENOA,
      snp_keys_genoa,
      &snp_keys_genoa_n,
      { "5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521",
        "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
        "197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372" } },
    { SNP_TURIN,
      snp_keys_turin,
      &snp_keys_turin_n,
      { "5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185",
        "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
        "104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c" } },
};

static vd_rc fingerprint(const struct vd_cert *cert, char ret[65], vd_err *err)
{
    uint8_t digest[32];
    vd_cert_sha256(cert, digest);
    VD_AUTO_BUF hex = vd_buf_of(65);
    vd_hex_encode(vd_span_of(digest, sizeof digest), &hex);
    VD_TRY(vd_buf_check(&hex, err));
    for (size_t i = 0; i < hex.n; i++)
        ret[i] = (char)hex.p[i];
    ret[hex.n] = '\0';
    return VD_OK;
}

static vd_rc add_pinned(struct snp_roots *roots, const struct pinned *pin, vd_err *err)
{
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    VD_TRY(vd_certs_parse_pem(vd_span_of(pin->pem, *pin->n), CERTS_PER_FILE, &certs, err));
    if (certs->n != CERTS_PER_FILE)
        return vd_fail(err, VD_E_INTERNAL, "snp: %zu certificates are built in for %s, not three",
                       certs->n, snp_line_name(pin->line));
    struct snp_root *r = &roots->item[roots->n];
    for (size_t i = 0; i < CERTS_PER_FILE; i++) {
        char hex[65];
        VD_TRY(fingerprint(certs->item[i], hex, err));
        if (!vd_span_eq_str(vd_span_str(hex), pin->sha256[i]))
            return vd_fail(
                err, VD_E_INTERNAL,
                "snp: a built-in certificate of %s is not the pinned one (%s); rebuild from clean "
                "sources",
                snp_line_name(pin->line), hex);
    }
    *r = (struct snp_root){ .line = pin->line,
                            .ask = vd_cert_ref(certs->item[0]),
                            .ark = vd_cert_ref(certs->item[1]),
                            .asvk = vd_cert_ref(certs->item[2]) };
    roots->n++;
    return fingerprint(r->ark, r->ark_sha256, err);
}

static vd_rc common_name(const struct vd_cert *cert, bool subject, vd_buf *out)
{
    return subject ? vd_cert_subject_cn(cert, out, NULL) : vd_cert_issuer_cn(cert, out, NULL);
}

static bool ends_with(vd_span s, const char *tail)
{
    vd_span t = vd_span_str(tail);
    return s.n >= t.n && vd_span_eq(vd_span_part(s, s.n - t.n, t.n), t);
}

static bool contains(vd_span s, vd_span part)
{
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (vd_span_starts(vd_span_part(s, i, part.n), part))
            return true;
    return false;
}

static enum snp_line line_of_name(vd_span name)
{
    if (ends_with(name, "-Milan"))
        return SNP_MILAN;
    if (ends_with(name, "-Genoa"))
        return SNP_GENOA;
    return ends_with(name, "-Turin") ? SNP_TURIN : SNP_LINE_UNKNOWN;
}

/* Sorts one certificate of an extra file into its place; the chain check later proves who signed
 * whom. */
static vd_rc place_extra(struct snp_root *r, struct vd_cert *cert, const char *file, vd_err *err)
{
    VD_AUTO_BUF subject = vd_buf_of(256);
    VD_AUTO_BUF issuer = vd_buf_of(256);
    if (common_name(cert, true, &subject).code != VD_E_OK ||
        common_name(cert, false, &issuer).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG,
                       "%s: a certificate of tee.snp.extra_roots has no common name", file);
    vd_span name = vd_buf_span(&subject);
    struct vd_cert **place = &r->ask;
    if (vd_span_eq(name, vd_buf_span(&issuer))) {
        place = &r->ark;
        r->line = line_of_name(name);
    } else if (contains(name, VD_LIT("VLEK"))) {
        place = &r->asvk;
    }
    if (*place)
        return vd_fail(err, VD_E_CONFIG,
                       "%s: two certificates of one kind; a file holds one root, one ASK and "
                       "at most one ASVK",
                       file);
    *place = vd_cert_ref(cert);
    return VD_OK;
}

static vd_rc add_extra(struct snp_roots *roots, const char *file, vd_err *err)
{
    if (roots->n >= SNP_ROOTS_MAX)
        return vd_fail(err, VD_E_CONFIG, "tee.snp.extra_roots: more than %d files",
                       SNP_ROOTS_MAX - (int)(sizeof pins / sizeof pins[0]));
    VD_AUTO_BUF pem = vd_buf_of(EXTRA_FILE_BYTES);
    vd_err cause = { 0 };
    if (vd_file_read(file, EXTRA_FILE_BYTES, &pem, NULL, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "tee.snp.extra_roots: %s", cause.msg);
    VD_AUTO(vd_certs_free) struct vd_certs *certs = NULL;
    if (vd_certs_parse_pem(vd_buf_span(&pem), CERTS_PER_FILE, &certs, &cause).code != VD_E_OK)
        return vd_fail(err, VD_E_CONFIG, "%s: tee.snp.extra_roots wants PEM certificates: %s", file,
                       cause.msg);
    struct snp_root *r = &roots->item[roots->n++]; /* counted first: what is filled is freed */
    r->simulated = true;
    for (size_t i = 0; i < certs->n; i++)
        VD_TRY(place_extra(r, certs->item[i], file, err));
    if (!r->ark || (!r->ask && !r->asvk))
        return vd_fail(err, VD_E_CONFIG, "%s: a root and an ASK or ASVK are needed in one file",
                       file);
    if (r->line == SNP_LINE_UNKNOWN)
        return vd_fail(err, VD_E_CONFIG, "%s: the root's name must end in -Milan, -Genoa or -Turin",
                       file);
    return fingerprint(r->ark, r->ark_sha256, err);
}

vd_rc snp_roots_new(const char *const *extra, size_t n_extra, struct snp_roots **ret, vd_err *err)
{
    VD_AUTO(snp_roots_free) struct snp_roots *roots = calloc(1, sizeof *roots);
    if (!roots)
        return vd_fail(err, VD_E_NOMEM, "snp roots");
    for (size_t i = 0; i < sizeof pins / sizeof pins[0]; i++)
        VD_TRY(add_pinned(roots, &pins[i], err));
    for (size_t i = 0; i < n_extra; i++)
        VD_TRY(add_extra(roots, extra[i], err));
    *ret = VD_TAKE(roots);
    return VD_OK;
}

void snp_roots_free(struct snp_roots *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        vd_cert_unref(r->item[i].ark);
        vd_cert_unref(r->item[i].ask);
        vd_cert_unref(r->item[i].asvk);
    }
    free(r);
}
