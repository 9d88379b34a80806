/* Event logs as JSON: the member uefi_event_logs of Trustee's claims, name by name. What an
 * event's data says is read leniently: {} when it cannot be read, never a refusal, for the data of
 * most events is not what was measured. */
#include "issuer/tee/eventlog/eventlog_priv.h"

#include "shared/codec/b64.h"

static const char *alg_name(enum vd_hash alg)
{
    switch (alg) {
    case VD_SHA256:
        return "SHA-256";
    case VD_SHA384:
        return "SHA-384";
    case VD_SHA512:
        return "SHA-512";
    case VD_SM3:
        return "SM3";
    case VD_HASH_MAX:
        break;
    }
    return "";
}

static void put_type(vd_jw *w, uint32_t type)
{
    char text[32];
    const char *name = evl_type_name(type);
    if (!name) {
        (void)snprintf(text, sizeof text, "EV_UNKNOWN_0x%08x", (unsigned)type);
        name = text;
    }
    vd_jw_kstr(w, "type_name", name);
}

static vd_rc put_event(const struct evl_log *l, const struct evl_event *e, vd_jw *w,
                       vd_buf *scratch, vd_err *err)
{
    uint8_t hash[VD_HASH_BYTES_MAX];
    VD_TRY(vd_hash_of(l->alg, e->data, hash, err));
    vd_jw_obj(w);
    vd_jw_key(w, "details");
    vd_buf_reset(scratch);
    evl_details(e, w, scratch);
    VD_TRY(vd_buf_check(scratch, err));
    vd_jw_kbool(w, "digest_matches_event",
                vd_span_eq(e->digest, vd_span_of(hash, vd_hash_size(l->alg))));
    vd_jw_key(w, "digests");
    vd_jw_arr(w);
    vd_jw_obj(w);
    vd_jw_kstr(w, "alg", alg_name(l->alg));
    vd_jw_khex(w, "digest", e->digest);
    vd_jw_end(w);
    vd_jw_end(w);
    vd_jw_key(w, "event");
    vd_jw_b64(w, e->data, VD_B64_STD);
    vd_jw_ku64(w, "index", e->index);
    put_type(w, e->type);
    vd_jw_end(w);
    return VD_OK;
}

vd_rc evl_json(const struct evl_log *l, vd_buf *out, vd_err *err)
{
    VD_AUTO_BUF scratch = vd_buf_of((size_t)8 * EVL_USED_MAX);
    vd_jw w = vd_jw_of(out);
    vd_jw_arr(&w);
    for (size_t i = 0; i < l->n; i++)
        VD_TRY(put_event(l, &l->event[i], &w, &scratch, err));
    vd_jw_end(&w);
    return vd_buf_check(out, err);
}
