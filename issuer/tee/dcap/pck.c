/* The SGX extension of PCK certificates; see pck.h. Elements are found by their OID and each may
 * occur once; an unknown one is refused, because nobody has said what it would change. */
#include "issuer/tee/dcap/pck.h"

#include "shared/codec/der.h"

/* Elements of the extension and of its configuration, by the last arc of their OID. */
enum { PPID = 1, TCB, PCEID, FMSPC, SGX_TYPE, INSTANCE_ID, CONFIGURATION, ELEMENTS_END };
enum { DYNAMIC = 1, CACHED_KEYS, SMT, CONFIG_END };
enum { TCB_PCESVN = 17, TCB_CPUSVN = 18, TCB_END };

/* 1.2.840.113741.1.13.1, content octets */
static const uint8_t sgx_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

const char *dcap_ca_name(enum dcap_ca ca)
{
    return ca == DCAP_CA_PLATFORM ? "platform" : "processor";
}

static vd_rc malformed(vd_err *err, const char *what)
{
    return vd_fail(err, VD_E_BAD_EVIDENCE, "PCK certificate: SGX extension: %s", what);
}

/* The arc behind sgx_oid and `parent` (0: none); 0 when the OID is another. */
static unsigned arc_of(vd_span oid, uint8_t parent)
{
    vd_rd r = vd_rd_of(oid);
    if (!vd_span_eq(vd_rd_take(&r, sizeof sgx_oid), vd_span_of(sgx_oid, sizeof sgx_oid)))
        return 0;
    if (parent && vd_rd_u8(&r) != parent)
        return 0;
    unsigned arc = vd_rd_u8(&r);
    return vd_rd_end(&r) && arc < 0x80 ? arc : 0;
}

/* One pair {OID, value}: its arc below end, not seen before; the value is left in *ret. */
static vd_rc next_pair(vd_rd *r, uint8_t parent, unsigned end, uint32_t *seen, unsigned *ret_arc,
                       vd_rd *ret, vd_err *err)
{
    vd_rd pair = vd_der_enter(r, VD_DER_SEQUENCE);
    unsigned arc = arc_of(vd_der_value(&pair, VD_DER_OID), parent);
    if (r->bad || pair.bad)
        return malformed(err, "not in DER");
    if (arc == 0 || arc >= end)
        return malformed(err, "an element that is not known");
    if (*seen >> arc & 1)
        return malformed(err, "an element occurs twice");
    *seen |= UINT32_C(1) << arc;
    *ret_arc = arc;
    *ret = pair;
    return VD_OK;
}

static void copy_octets(vd_rd *value, uint8_t *p, size_t n)
{
    vd_span s = vd_der_value(value, VD_DER_OCTETS);
    if (s.n != n) {
        value->bad = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        p[i] = s.p[i];
}

static vd_rc read_tcb(vd_rd *value, struct dcap_pck *p, vd_err *err)
{
    vd_rd list = vd_der_enter(value, VD_DER_SEQUENCE);
    uint32_t seen = 0;
    for (unsigned i = 1; i < TCB_END; i++) {
        unsigned arc = 0;
        vd_rd v;
        VD_TRY(next_pair(&list, TCB, TCB_END, &seen, &arc, &v, err));
        if (arc == TCB_CPUSVN)
            copy_octets(&v, p->cpu_svn, sizeof p->cpu_svn);
        else if (arc == TCB_PCESVN)
            p->pce_svn = (uint16_t)vd_der_uint(&v, VD_DER_INTEGER, UINT16_MAX);
        else
            p->svn[arc - 1] = (uint8_t)vd_der_uint(&v, VD_DER_INTEGER, UINT8_MAX);
        if (!vd_rd_end(&v))
            return malformed(err, "a security version is malformed");
    }
    /* 18 of 18 without a repetition: all of them */
    return vd_rd_end(&list) ? VD_OK : malformed(err, "more than 18 security versions");
}

static vd_rc read_configuration(vd_rd *value, struct dcap_pck *p, vd_err *err)
{
    vd_rd list = vd_der_enter(value, VD_DER_SEQUENCE);
    if (list.bad)
        return malformed(err, "configuration is not in DER");
    uint32_t seen = 0;
    while (vd_rd_left(&list) > 0) {
        unsigned arc = 0;
        vd_rd v;
        VD_TRY(next_pair(&list, CONFIGURATION, CONFIG_END, &seen, &arc, &v, err));
        bool set = vd_der_bool(&v);
        if (!vd_rd_end(&v))
            return malformed(err, "configuration is malformed");
        if (arc == DYNAMIC)
            p->dynamic_platform = set;
        else if (arc == CACHED_KEYS)
            p->cached_keys = set;
        else
            p->smt_enabled = set;
    }
    return VD_OK;
}

static vd_rc read_element(unsigned arc, vd_rd *v, struct dcap_pck *p, vd_err *err)
{
    switch (arc) {
    case PPID:
        copy_octets(v, p->ppid, sizeof p->ppid);
        break;
    case TCB:
        VD_TRY(read_tcb(v, p, err));
        break;
    case PCEID:
        copy_octets(v, p->pce_id, sizeof p->pce_id);
        break;
    case FMSPC:
        copy_octets(v, p->fmspc, sizeof p->fmspc);
        break;
    case SGX_TYPE:
        p->sgx_type = (uint8_t)vd_der_uint(v, VD_DER_ENUMERATED, 127);
        break;
    case INSTANCE_ID:
        copy_octets(v, p->instance_id, sizeof p->instance_id);
        break;
    default:
        VD_TRY(read_configuration(v, p, err));
        break;
    }
    return vd_rd_end(v) ? VD_OK : malformed(err, "an element is malformed");
}

vd_rc dcap_pck_parse(vd_span value, struct dcap_pck *ret, vd_err *err)
{
    struct dcap_pck p = { 0 };
    vd_rd r = vd_rd_of(value);
    vd_rd list = vd_der_enter(&r, VD_DER_SEQUENCE);
    if (list.bad || !vd_rd_end(&r))
        return malformed(err, "not one sequence");
    uint32_t seen = 0;
    while (vd_rd_left(&list) > 0) {
        unsigned arc = 0;
        vd_rd v;
        VD_TRY(next_pair(&list, 0, ELEMENTS_END, &seen, &arc, &v, err));
        VD_TRY(read_element(arc, &v, &p, err));
    }
    const uint32_t base = 1u << PPID | 1u << TCB | 1u << PCEID | 1u << FMSPC | 1u << SGX_TYPE;
    const uint32_t platform = 1u << INSTANCE_ID | 1u << CONFIGURATION;
    p.has_platform = seen == (base | platform);
    if (seen != base && !p.has_platform)
        return malformed(err, "elements are missing");
    *ret = p;
    return VD_OK;
}
