/* Report bytes as the JSON that the guest components send; see simsnp.h. */
#include "shared/codec/json.h"
#include "tests/support/simsnp/simsnp.h"

static void put_bytes(vd_jw *w, const char *name, vd_span s)
{
    vd_jw_key(w, name);
    vd_jw_arr(w);
    for (size_t i = 0; i < s.n; i++)
        vd_jw_u64(w, s.p[i]);
    vd_jw_end(w);
}

static void put_tcb(vd_jw *w, const char *name, vd_rd *r, enum sim_line line)
{
    vd_span b = vd_rd_take(r, 8);
    bool turin = line == SIM_TURIN;
    vd_jw_key(w, name);
    vd_jw_obj(w);
    vd_jw_key(w, "fmc");
    if (turin)
        vd_jw_u64(w, b.p[0]);
    else
        vd_jw_null(w);
    vd_jw_ku64(w, "bootloader", b.p[turin ? 1 : 0]);
    vd_jw_ku64(w, "tee", b.p[turin ? 2 : 1]);
    vd_jw_ku64(w, "snp", b.p[turin ? 3 : 6]);
    vd_jw_ku64(w, "microcode", b.p[7]);
    vd_jw_end(w);
}

static void put_fw(vd_jw *w, const char *name, vd_rd *r)
{
    vd_span b = vd_rd_take(r, 4);
    vd_jw_key(w, name);
    vd_jw_obj(w);
    vd_jw_ku64(w, "major", b.p[2]);
    vd_jw_ku64(w, "minor", b.p[1]);
    vd_jw_ku64(w, "build", b.p[0]);
    vd_jw_end(w);
}

/* Null where the version does not have it. */
static void put_optional(vd_jw *w, const char *name, bool has, uint64_t v)
{
    vd_jw_key(w, name);
    if (has)
        vd_jw_u64(w, v);
    else
        vd_jw_null(w);
}

static void put_first(vd_jw *w, vd_rd *r, uint32_t version, enum sim_line line)
{
    vd_jw_ku64(w, "version", version);
    vd_jw_ku64(w, "guest_svn", vd_rd_u32le(r));
    vd_jw_ku64(w, "policy", vd_rd_u64le(r));
    put_bytes(w, "family_id", vd_rd_take(r, 16));
    put_bytes(w, "image_id", vd_rd_take(r, 16));
    vd_jw_ku64(w, "vmpl", vd_rd_u32le(r));
    vd_jw_ku64(w, "sig_algo", vd_rd_u32le(r));
    put_tcb(w, "current_tcb", r, line);
    vd_jw_ku64(w, "plat_info", vd_rd_u64le(r));
    vd_jw_ku64(w, "key_info", vd_rd_u32le(r));
    vd_rd_skip(r, 4);
    put_bytes(w, "report_data", vd_rd_take(r, 64));
    put_bytes(w, "measurement", vd_rd_take(r, 48));
    put_bytes(w, "host_data", vd_rd_take(r, 32));
    put_bytes(w, "id_key_digest", vd_rd_take(r, 48));
    put_bytes(w, "author_key_digest", vd_rd_take(r, 48));
    put_bytes(w, "report_id", vd_rd_take(r, 32));
    put_bytes(w, "report_id_ma", vd_rd_take(r, 32));
}

static void put_second(vd_jw *w, vd_rd *r, uint32_t version, enum sim_line line)
{
    put_tcb(w, "reported_tcb", r, line);
    put_optional(w, "cpuid_fam_id", version >= 3, vd_rd_u8(r));
    put_optional(w, "cpuid_mod_id", version >= 3, vd_rd_u8(r));
    put_optional(w, "cpuid_step", version >= 3, vd_rd_u8(r));
    vd_rd_skip(r, 21);
    put_bytes(w, "chip_id", vd_rd_take(r, 64));
    put_tcb(w, "committed_tcb", r, line);
    put_fw(w, "current", r);
    put_fw(w, "committed", r);
    put_tcb(w, "launch_tcb", r, line);
    put_optional(w, "launch_mit_vector", version >= 5, vd_rd_u64le(r));
    put_optional(w, "current_mit_vector", version >= 5, vd_rd_u64le(r));
    vd_rd_skip(r, 152);
    vd_jw_key(w, "signature");
    vd_jw_obj(w);
    put_bytes(w, "r", vd_rd_take(r, 72));
    put_bytes(w, "s", vd_rd_take(r, 72));
    vd_jw_end(w);
}

void sim_evidence_json(vd_span report, enum sim_line line, const char *cert_type, vd_span cert,
                       vd_buf *out)
{
    vd_rd r = vd_rd_of(report);
    uint32_t version = vd_rd_u32le(&r);
    vd_jw w = vd_jw_of(out);
    vd_jw_obj(&w);
    vd_jw_key(&w, "attestation_report");
    vd_jw_obj(&w);
    put_first(&w, &r, version, line);
    put_second(&w, &r, version, line);
    vd_jw_end(&w);
    vd_jw_key(&w, "cert_chain");
    if (cert.n > 0) {
        vd_jw_arr(&w);
        vd_jw_obj(&w);
        vd_jw_kstr(&w, "cert_type", cert_type);
        put_bytes(&w, "data", cert);
        vd_jw_end(&w);
        vd_jw_end(&w);
    } else {
        vd_jw_null(&w);
    }
    vd_jw_end(&w);
}
