/* Intel's JSON: the signed frame, TCB info, identities of enclaves, and the TCB function over
 * whatever they say. */
#include "issuer/tee/dcap/signed.h"
#include "issuer/tee/dcap/tcb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char identity_text[] =
    "{\"id\":\"TD_QE\",\"version\":2,\"issueDate\":\"2025-06-19T10:32:27Z\",\"nextUpdate\":"
    "\"2025-07-19T10:32:27Z\",\"tcbEvaluationDataNumber\":17,\"miscselect\":\"00000000\","
    "\"miscselectMask\":\"FFFFFFFF\",\"attributes\":\"11000000000000000000000000000000\","
    "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":"
    "\"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5\",\"isvprodid\":2,"
    "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":"
    "\"UpToDate\"}]}";

static void sorted(const struct dcap_tcb_info *t)
{
    for (size_t i = 1; i < t->n_levels; i++) {
        const struct dcap_tcb_level *a = &t->level[i - 1];
        const struct dcap_tcb_level *b = &t->level[i];
        if (a->sgx[0] < b->sgx[0])
            __builtin_trap();
    }
}

static void judge(const struct dcap_tcb_info *t, const struct dcap_identity *d)
{
    uint8_t svn[DCAP_SVNS];
    uint8_t tee[DCAP_SVNS] = { 5, 1, 3 };
    for (size_t i = 0; i < DCAP_SVNS; i++)
        svn[i] = (uint8_t)(i * 3);
    vd_span v = t->tee == DCAP_TDX ? vd_span_of(tee, sizeof tee) : VD_SPAN_NONE;
    struct dcap_tcb_in in = { .info = t,
                              .identity = d,
                              .svn = svn,
                              .pce_svn = 11,
                              .qe_svn = 6,
                              .tee_tcb_svn = v,
                              .tee_tcb_svn2 = v };
    struct dcap_tcb tcb;
    if (dcap_tcb_evaluate(&in, &tcb, NULL).code != VD_E_OK)
        return;
    if (tcb.status == DCAP_REVOKED || tcb.launch.status == DCAP_REVOKED)
        __builtin_trap();
    const struct dcap_part *p = &tcb.launch.platform;
    for (size_t i = 0; i < p->adv.n; i++)
        if (dcap_part_advisory(p, i)[0] == '\0')
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vd_span in = vd_span_of(data, size);
    static const char *const member[] = { "tcbInfo", "enclaveIdentity" };
    vd_span inner[3] = { in };
    size_t n = 1;
    uint8_t sig[64];
    for (size_t i = 0; i < 2; i++)
        if (dcap_signed_split(in, member[i], &inner[n], sig, NULL).code == VD_E_OK)
            n++;
    for (size_t i = 0; i < n; i++) {
        VD_AUTO(dcap_identity_unref) struct dcap_identity *d = NULL;
        (void)dcap_identity_parse(inner[i], &d, NULL).code;
        VD_AUTO(dcap_tcb_info_unref) struct dcap_tcb_info *t = NULL;
        if (dcap_tcb_info_parse(inner[i], &t, NULL).code != VD_E_OK)
            continue;
        sorted(t);
        VD_AUTO(dcap_identity_unref) struct dcap_identity *td = NULL;
        if (dcap_identity_parse(vd_span_str(identity_text), &td, NULL).code == VD_E_OK)
            judge(t, td);
    }
    return 0;
}
