/* All pieces of collateral for a TEE, in memory or as a folder of files; see simtdx.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/codec/json.h"
#include "tests/support/simtdx/priv.h"

void simtdx_collateral_defaults(int64_t now, struct simtdx_collateral *ret)
{
    struct simtdx_collateral c = { .info_signer = SIMTDX_SIGNER };
    for (int tdx = 0; tdx < 2; tdx++) {
        simtdx_tcb_info_defaults(tdx, now, &c.info[tdx]);
        simtdx_identity_defaults(tdx, now, &c.identity[tdx]);
    }
    simtdx_crl_defaults(SIMTDX_PLATFORM, &c.pck_crl);
    simtdx_crl_defaults(SIMTDX_ROOT, &c.root_crl);
    c.pck_crl.from = c.root_crl.from = now - 3600;
    c.pck_crl.until = now - 3600 + 30 * 86400;
    c.root_crl.until = now - 3600 + 365 * 86400;
    *ret = c;
}

void simtdx_pieces_make(const struct simtdx_pki *p, const struct simtdx_collateral *c, bool tdx,
                        struct simtdx_pieces *ret)
{
    VD_AUTO_BUF info = vd_buf_of(1u << 20);
    VD_AUTO_BUF identity = vd_buf_of(1u << 20);
    vd_buf *const all[] = { &ret->info,           &ret->info_chain, &ret->identity,
                            &ret->identity_chain, &ret->pck_crl,    &ret->pck_crl_chain,
                            &ret->root_crl };
    struct simtdx_crl pck_crl = c->pck_crl;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] = vd_buf_of(1u << 20);
    simtdx_tcb_info_json(&c->info[tdx], &info);
    simtdx_identity_json(&c->identity[tdx], &identity);
    simtdx_sign_json(p, c->info_signer, "tcbInfo", vd_buf_span(&info), &ret->info);
    simtdx_sign_json(p, c->info_signer, "enclaveIdentity", vd_buf_span(&identity), &ret->identity);
    simtdx_chain_pem(p, c->info_signer, &ret->info_chain);
    simtdx_chain_pem(p, c->info_signer, &ret->identity_chain);
    if (c->processor && pck_crl.issuer == SIMTDX_PLATFORM)
        pck_crl.issuer = pck_crl.signer = SIMTDX_PROCESSOR;
    simtdx_crl_make(p, &pck_crl, &ret->pck_crl);
    simtdx_chain_pem(p, pck_crl.issuer, &ret->pck_crl_chain);
    simtdx_crl_make(p, &c->root_crl, &ret->root_crl);
}

void simtdx_pieces_done(struct simtdx_pieces *x)
{
    vd_buf_done(&x->info);
    vd_buf_done(&x->info_chain);
    vd_buf_done(&x->identity);
    vd_buf_done(&x->identity_chain);
    vd_buf_done(&x->pck_crl);
    vd_buf_done(&x->pck_crl_chain);
    vd_buf_done(&x->root_crl);
}

static void put_file(const char *dir, const char *tee, const char *what, const vd_buf *b)
{
    char name[128];
    char path[SIMTDX_PATH];
    (void)snprintf(name, sizeof name, "%s%s%s", tee, *tee ? "_" : "", what);
    simtdx_path(path, dir, name);
    simtdx_write(path, vd_buf_span(b));
}

/* The value of "signature" and the object beside it, from what simtdx_sign_json wrote. */
static void take_apart(const vd_buf *document, vd_span *inner, vd_span *signature)
{
    vd_span s = vd_buf_span(document);
    static const char middle[] = ",\"signature\":\"";
    size_t from = vd_span_find(s, ':') + 1;
    size_t behind = s.n - 2 - 128;
    *signature = vd_span_part(s, behind, 128);
    *inner = vd_span_part(s, from, behind - (sizeof middle - 1) - from);
}

static void put_crl(vd_jw *w, const char *name, const vd_buf *der)
{
    VD_AUTO_BUF hex = vd_buf_of(1u << 20);
    simtdx_hex_text(vd_buf_span(der), false, &hex);
    vd_jw_kspan(w, name, vd_buf_span(&hex));
}

/* The form in which quote providers hand all seven pieces over. */
static void put_bundle(const char *dir, const char *tee, const struct simtdx_pieces *x)
{
    VD_AUTO_BUF out = vd_buf_of(4u << 20);
    vd_span inner, signature;
    vd_jw w = vd_jw_of(&out);
    vd_jw_obj(&w);
    vd_jw_kspan(&w, "pck_crl_issuer_chain", vd_buf_span(&x->pck_crl_chain));
    put_crl(&w, "root_ca_crl", &x->root_crl);
    put_crl(&w, "pck_crl", &x->pck_crl);
    vd_jw_kspan(&w, "tcb_info_issuer_chain", vd_buf_span(&x->info_chain));
    take_apart(&x->info, &inner, &signature);
    vd_jw_kspan(&w, "tcb_info", inner);
    vd_jw_kspan(&w, "tcb_info_signature", signature);
    vd_jw_kspan(&w, "qe_identity_issuer_chain", vd_buf_span(&x->identity_chain));
    take_apart(&x->identity, &inner, &signature);
    vd_jw_kspan(&w, "qe_identity", inner);
    vd_jw_kspan(&w, "qe_identity_signature", signature);
    vd_jw_end(&w);
    put_file(dir, tee, "collateral.json", &out);
}

void simtdx_folder_write(const struct simtdx_pki *p, const struct simtdx_collateral *c,
                         const char *to, bool bundle)
{
    simtdx_must(mkdir(to, 0700) == 0 || errno == EEXIST, to);
    for (int tdx = 0; tdx < 2; tdx++) {
        const char *tee = tdx ? "tdx" : "sgx";
        struct simtdx_pieces x;
        simtdx_pieces_make(p, c, tdx, &x);
        if (bundle) {
            put_bundle(to, tee, &x);
        } else {
            put_file(to, tee, "tcb_info.json", &x.info);
            put_file(to, tee, "identity.json", &x.identity);
            put_file(to, "", "signing_chain.pem", &x.info_chain);
            put_file(to, "", "pck_crl.der", &x.pck_crl);
            put_file(to, "", "pck_crl_chain.pem", &x.pck_crl_chain);
            put_file(to, "", "root_ca_crl.der", &x.root_crl);
        }
        simtdx_pieces_done(&x);
    }
}
