/* TCB info and enclave identities as text, members in the order in which the vendor writes them,
 * and signed; see simtdx.h. */
#include <string.h>
#include <time.h>

#include "shared/codec/json.h"
#include "tests/support/simtdx/priv.h"

enum { THIRTY_DAYS = 30 * 86400 };

static void put_time(vd_jw *w, const char *name, int64_t at)
{
    vd_jw_key(w, name);
    vd_jw_time(w, at);
}

static void put_hex(vd_jw *w, const char *name, vd_span bytes)
{
    VD_AUTO_BUF text = vd_buf_of(1024);
    simtdx_hex_text(bytes, true, &text);
    vd_jw_kstr(w, name, vd_buf_cstr(&text));
}

/* Numbers whose text shows their bytes in memory. */
static void put_le(vd_jw *w, const char *name, uint64_t one, unsigned n_one, uint64_t two,
                   unsigned n_two)
{
    VD_AUTO_BUF bytes = vd_buf_of(64);
    vd_buf_le(&bytes, one, n_one);
    if (n_two > 0)
        vd_buf_le(&bytes, two, n_two);
    put_hex(w, name, vd_buf_span(&bytes));
}

static void put_state(vd_jw *w, const char *status, const char *date, const char *advisories)
{
    vd_jw_kstr(w, "tcbDate", date);
    vd_jw_kstr(w, "tcbStatus", status);
    if (!advisories)
        return;
    vd_jw_key(w, "advisoryIDs");
    vd_jw_arr(w);
    for (vd_span rest = vd_span_str(advisories); rest.n > 0;) {
        vd_span one = vd_span_part(rest, 0, vd_span_find(rest, ','));
        vd_jw_str_span(w, one);
        rest = vd_span_part(rest, one.n + 1, rest.n);
    }
    vd_jw_end(w);
}

static void put_isv_levels(vd_jw *w, const struct simtdx_isv_level *level, size_t n)
{
    vd_jw_key(w, "tcbLevels");
    vd_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        vd_jw_obj(w);
        vd_jw_key(w, "tcb");
        vd_jw_obj(w);
        vd_jw_ku64(w, "isvsvn", level[i].isvsvn);
        vd_jw_end(w);
        put_state(w, level[i].status, level[i].date, level[i].advisories);
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

static void put_components(vd_jw *w, const char *name, const uint8_t svn[16])
{
    vd_jw_key(w, name);
    vd_jw_arr(w);
    for (size_t i = 0; i < 16; i++) {
        vd_jw_obj(w);
        vd_jw_ku64(w, "svn", svn[i]);
        if (i == 0) {
            vd_jw_kstr(w, "category", "BIOS");
            vd_jw_kstr(w, "type", "Early Microcode Update");
        }
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

static void put_module(vd_jw *w, const struct simtdx_module *m)
{
    put_hex(w, "mrsigner", vd_span_of(m->mrsigner, sizeof m->mrsigner));
    put_le(w, "attributes", m->attributes, 8, 0, 0);
    put_le(w, "attributesMask", m->mask, 8, 0, 0);
}

static void put_modules(vd_jw *w, const struct simtdx_tcb_info *t)
{
    vd_jw_key(w, "tdxModule");
    vd_jw_obj(w);
    put_module(w, &t->base);
    vd_jw_end(w);
    vd_jw_key(w, "tdxModuleIdentities");
    vd_jw_arr(w);
    for (size_t i = 0; i < t->n_modules; i++) {
        vd_jw_obj(w);
        vd_jw_kstr(w, "id", t->module[i].id);
        put_module(w, &t->module[i]);
        put_isv_levels(w, t->module[i].level, t->module[i].n_levels);
        vd_jw_end(w);
    }
    vd_jw_end(w);
}

static void put_level(vd_jw *w, const struct simtdx_level *level, bool tdx)
{
    vd_jw_obj(w);
    vd_jw_key(w, "tcb");
    vd_jw_obj(w);
    put_components(w, "sgxtcbcomponents", level->sgx);
    vd_jw_ku64(w, "pcesvn", level->pcesvn);
    if (tdx)
        put_components(w, "tdxtcbcomponents", level->tdx);
    vd_jw_end(w);
    put_state(w, level->status, level->date, level->advisories);
    vd_jw_end(w);
}

void simtdx_tcb_info_json(const struct simtdx_tcb_info *t, vd_buf *inner)
{
    vd_jw w = vd_jw_of(inner);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "id", t->id);
    vd_jw_ku64(&w, "version", t->version);
    put_time(&w, "issueDate", t->issued);
    put_time(&w, "nextUpdate", t->next);
    put_hex(&w, "fmspc", vd_span_of(t->fmspc, sizeof t->fmspc));
    put_hex(&w, "pceId", vd_span_of(t->pceid, sizeof t->pceid));
    vd_jw_ku64(&w, "tcbType", t->tcb_type);
    vd_jw_ku64(&w, "tcbEvaluationDataNumber", t->eval);
    if (t->has_module)
        put_modules(&w, t);
    vd_jw_key(&w, "tcbLevels");
    vd_jw_arr(&w);
    for (size_t i = 0; i < t->n_levels; i++)
        put_level(&w, &t->level[i], t->has_module);
    vd_jw_end(&w);
    vd_jw_end(&w);
    simtdx_must(!inner->bad, "writing a TCB info");
}

void simtdx_identity_json(const struct simtdx_identity *t, vd_buf *inner)
{
    vd_jw w = vd_jw_of(inner);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "id", t->id);
    vd_jw_ku64(&w, "version", t->version);
    put_time(&w, "issueDate", t->issued);
    put_time(&w, "nextUpdate", t->next);
    vd_jw_ku64(&w, "tcbEvaluationDataNumber", t->eval);
    put_le(&w, "miscselect", t->miscselect, 4, 0, 0);
    put_le(&w, "miscselectMask", t->miscselect_mask, 4, 0, 0);
    put_le(&w, "attributes", t->flags, 8, t->xfrm, 8);
    put_le(&w, "attributesMask", t->flags_mask, 8, t->xfrm_mask, 8);
    put_hex(&w, "mrsigner", vd_span_of(t->mrsigner, sizeof t->mrsigner));
    vd_jw_ku64(&w, "isvprodid", t->isv_prod_id);
    put_isv_levels(&w, t->level, t->n_levels);
    vd_jw_end(&w);
    simtdx_must(!inner->bad, "writing an identity");
}

void simtdx_sign_json(const struct simtdx_pki *p, enum simtdx_key key, const char *name,
                      vd_span inner, vd_buf *out)
{
    uint8_t signature[64];
    simtdx_sign(p, key, inner, signature);
    vd_buf_printf(out, "{\"%s\":", name);
    vd_buf_add(out, inner);
    vd_buf_str(out, ",\"signature\":\"");
    simtdx_hex_text(vd_span_of(signature, sizeof signature), false, out);
    vd_buf_str(out, "\"}");
    simtdx_must(!out->bad, "signing a document");
}

#define NEW_DATE "2025-08-13T00:00:00Z"
#define OLD_DATE "2023-08-09T00:00:00Z"

void simtdx_tcb_info_defaults(bool tdx, int64_t now, struct simtdx_tcb_info *ret)
{
    struct simtdx_tcb_info t = { .id = tdx ? "TDX" : "SGX",
                                 .version = 3,
                                 .issued = now - 3600,
                                 .next = now - 3600 + THIRTY_DAYS,
                                 .fmspc = { 0x51, 0x80, 0x6f, 0x05, 0x00, 0x00 },
                                 .eval = 20,
                                 .has_module = tdx };
    t.base.mask = UINT64_MAX;
    t.level[t.n_levels++] = (struct simtdx_level){ .sgx = { 7, 7, 3, 3, 255, 255, 1, 2 },
                                                   .pcesvn = 13,
                                                   .tdx = { 5, 0, 3 },
                                                   .status = "UpToDate",
                                                   .date = NEW_DATE };
    t.level[t.n_levels++] = (struct simtdx_level){ .sgx = { 5, 5, 2, 2, 200, 128, 0, 1 },
                                                   .pcesvn = 11,
                                                   .tdx = { 3, 0, 2 },
                                                   .status = "OutOfDate",
                                                   .date = OLD_DATE,
                                                   .advisories = "INTEL-SA-00837,INTEL-SA-00960" };
    t.module[t.n_modules++] = (struct simtdx_module){
        .id = "TDX_03",
        .mask = UINT64_MAX,
        .level = { { 3, "UpToDate", NEW_DATE, NULL } },
        .n_levels = 1,
    };
    t.module[t.n_modules++] = (struct simtdx_module){
        .id = "TDX_01",
        .mask = UINT64_MAX,
        .level = { { 5, "UpToDate", NEW_DATE, NULL },
                   { 3, "OutOfDate", OLD_DATE, "INTEL-SA-01036" } },
        .n_levels = 2,
    };
    *ret = t;
}

void simtdx_identity_defaults(bool tdx, int64_t now, struct simtdx_identity *ret)
{
    struct simtdx_identity t = { .id = tdx ? "TD_QE" : "QE",
                                 .version = 2,
                                 .issued = now - 3600,
                                 .next = now - 3600 + THIRTY_DAYS,
                                 .eval = 20,
                                 .miscselect_mask = UINT32_MAX,
                                 .flags = 0x11,
                                 .flags_mask = ~UINT64_C(4),
                                 .isv_prod_id = tdx ? 2 : 1,
                                 .level = { { 8, "UpToDate", NEW_DATE, NULL },
                                            { 6, "OutOfDate", OLD_DATE, "INTEL-SA-00615" } },
                                 .n_levels = 2 };
    for (size_t i = 0; i < sizeof t.mrsigner; i++)
        t.mrsigner[i] = (uint8_t)((tdx ? 0xdc : 0x8c) + i);
    *ret = t;
}
