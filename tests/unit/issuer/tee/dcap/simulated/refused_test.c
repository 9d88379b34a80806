/* What a simulated platform must be refused for, each deviation alone: certificates, revocation,
 * quoting enclave, TDX module, signatures, sizes. */
#include "tests/unit/issuer/tee/dcap/simulated/kit.h"

/* ---- certificates ---- */

DEVIATION(pck_another_name)
{
    t->pck.common_name = "Intel SGX PCK Certificates";
}
DEVIATION(pck_named_like_the_ca)
{
    t->pck.common_name = "Intel SGX PCK Platform CA";
}
DEVIATION(pck_is_a_ca)
{
    t->pck.ca = true;
}
DEVIATION(pck_sha384)
{
    t->pck.sha384 = true;
}
DEVIATION(pck_without_extension)
{
    t->pck.extensions = 0;
}
DEVIATION(pck_two_extensions)
{
    t->pck.extensions = 2;
}
DEVIATION(pck_empty_extension)
{
    t->pck.extension = VD_LIT("\x30\x00");
}
DEVIATION(pck_broken_extension)
{
    t->pck.extension = VD_LIT("\x30\x82\xff\xff");
}
DEVIATION(pck_signed_by_a_stranger)
{
    t->pck.signer = SIMTDX_STRANGER;
}
DEVIATION(pck_signed_by_the_root)
{
    t->pck.signer = SIMTDX_PROCESSOR;
}
DEVIATION(pck_of_the_signer)
{
    t->pck.issuer = SIMTDX_SIGNER;
}
DEVIATION(pck_of_the_other_ca)
{
    t->pck.issuer = SIMTDX_PROCESSOR;
}
DEVIATION(pck_platform_elements_under_processor)
{
    t->pck.processor = t->coll.processor = true;
    static uint8_t der[4096];
    VD_AUTO_BUF b = vd_buf_of(4096);
    struct simtdx_pck other = t->pck;
    other.processor = false;
    simtdx_pck_extension(&other, &b);
    memcpy(der, b.p, b.n);
    t->pck.extension = vd_span_of(der, b.n);
}
DEVIATION(pck_processor_elements_under_platform)
{
    static uint8_t der[4096];
    VD_AUTO_BUF b = vd_buf_of(4096);
    struct simtdx_pck other = t->pck;
    other.processor = true;
    simtdx_pck_extension(&other, &b);
    memcpy(der, b.p, b.n);
    t->pck.extension = vd_span_of(der, b.n);
}
DEVIATION(pck_expired)
{
    t->pck.until = AT_2026;
}
DEVIATION(pck_not_yet)
{
    t->pck.from = AT_2026 + 1;
}

static void certificates_that_are_not_intels_form_are_refused(void **state)
{
    static const struct row rows[] = {
        { "another name", VD_E_CHAIN, pck_another_name },
        { "named like the CA", VD_E_CHAIN, pck_named_like_the_ca },
        { "a CA", VD_E_CHAIN, pck_is_a_ca },
        { "SHA-384", VD_E_CHAIN, pck_sha384 },
        { "no SGX extension", VD_E_CHAIN, pck_without_extension },
        { "two SGX extensions", VD_E_CHAIN, pck_two_extensions },
        { "an empty extension", VD_E_BAD_EVIDENCE, pck_empty_extension },
        { "a broken extension", VD_E_BAD_EVIDENCE, pck_broken_extension },
        { "a stranger's signature", VD_E_CHAIN, pck_signed_by_a_stranger },
        { "another CA's signature", VD_E_CHAIN, pck_signed_by_the_root },
        { "issued by the TCB signer", VD_E_CHAIN, pck_of_the_signer },
        { "issued by a CA that is not in the quote", VD_E_CHAIN, pck_of_the_other_ca },
        { "platform's elements under the Processor CA", VD_E_CHAIN,
          pck_platform_elements_under_processor },
        { "too few elements under the Platform CA", VD_E_CHAIN,
          pck_processor_elements_under_platform },
        { "expired this second", VD_E_CERT_EXPIRED, pck_expired },
        { "valid from the next second on", VD_E_CERT_EXPIRED, pck_not_yet },
    };
    RUN("PCK certificate", rows);
}

static void certification_data_of_other_types_is_named(void **state)
{
    static const uint16_t types[] = { 1, 2, 3, 4, 6, 7, 8, 0xffff };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct trial t = trial_of(4, 2);
        t.quote.cert_type = types[i];
        expect(*state, "certification data", VD_E_CERT_DATA, &t);
    }
}

/* PEM of one certificate after another, by letters: l eaf, p latform CA, P rocessor CA, r oot, s
 * igner. */
static void chains_of_other_certificates_are_refused(void **state)
{
    static const char *const rows[] = { "",    "l",    "lp",  "lr",  "pr",  "lpp",  "lrr",
                                        "llr", "lprl", "lPr", "lsr", "spr", "lprr", "lps" };
    const struct kit *k = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        VD_AUTO_BUF pem = vd_buf_of(65536);
        struct trial t = trial_of(4, 2);
        vd_buf_str(&pem, "\n"); /* an empty replacement would be none */
        for (const char *c = rows[i]; *c; c++)
            switch (*c) {
            case 'l':
                simtdx_pck_make(k->pki, &t.pck, &pem);
                break;
            case 'p':
                simtdx_cert_pem(k->pki, SIMTDX_PLATFORM, &pem);
                break;
            case 'P':
                simtdx_cert_pem(k->pki, SIMTDX_PROCESSOR, &pem);
                break;
            case 's':
                simtdx_cert_pem(k->pki, SIMTDX_SIGNER, &pem);
                break;
            default:
                simtdx_cert_pem(k->pki, SIMTDX_ROOT, &pem);
            }
        t.quote.chain = vd_buf_span(&pem);
        struct outcome o = trial_run(k, &t);
        if (o.code != VD_E_CHAIN && o.code != VD_E_BAD_EVIDENCE) {
            print_error("chain %s: %s\n", rows[i], code_name(o.code));
            fail();
        }
        outcome_done(&o);
    }
}

static void without_its_root_in_the_configuration_nothing_is_accepted(void **state)
{
    const struct kit *k = *state;
    struct kit bare = { .pki = k->pki };
    assert_ok(dcap_roots_new(NULL, 0, &bare.roots, NULL));
    assert_ok(dcap_cache_new(bare.roots, 4, &bare.cache, NULL));
    bare.cfg = (struct dcap_cfg){ .roots = bare.roots, .cache = bare.cache, .skew = 300 };
    struct trial t = trial_of(4, 2);
    expect(&bare, "no extra root", VD_E_CHAIN, &t);
    dcap_cache_free(bare.cache);
    dcap_roots_free(bare.roots);
}

/* ---- revocation ---- */

DEVIATION(revoked_pck)
{
    t->coll.pck_crl.revoked[0] = 7;
    t->coll.pck_crl.revoked[1] = t->pck.serial;
    t->coll.pck_crl.revoked[2] = 9;
    t->coll.pck_crl.n_revoked = 3;
}
DEVIATION(revoked_platform)
{
    t->coll.root_crl.revoked[0] = simtdx_serial(SIMTDX_PLATFORM);
    t->coll.root_crl.n_revoked = 1;
}
DEVIATION(revoked_signer)
{
    t->coll.root_crl.revoked[0] = simtdx_serial(SIMTDX_SIGNER);
    t->coll.root_crl.n_revoked = 1;
}
DEVIATION(crl_of_the_processor)
{
    t->coll.pck_crl.issuer = t->coll.pck_crl.signer = SIMTDX_PROCESSOR;
}
DEVIATION(crl_signed_by_the_processor)
{
    t->coll.pck_crl.signer = SIMTDX_PROCESSOR;
}
DEVIATION(crl_signed_by_the_root)
{
    t->coll.pck_crl.signer = SIMTDX_ROOT;
}
DEVIATION(root_crl_signed_by_the_platform)
{
    t->coll.root_crl.signer = SIMTDX_PLATFORM;
}
DEVIATION(root_crl_is_the_pck_crl)
{
    t->coll.root_crl.issuer = t->coll.root_crl.signer = SIMTDX_PLATFORM;
}
DEVIATION(pck_crl_is_the_root_crl)
{
    t->coll.pck_crl.issuer = t->coll.pck_crl.signer = SIMTDX_ROOT;
}
DEVIATION(pck_crl_without_number)
{
    t->coll.pck_crl.without_number = true;
}
DEVIATION(root_crl_without_number)
{
    t->coll.root_crl.without_number = true;
}
DEVIATION(pck_crl_without_aki)
{
    t->coll.pck_crl.without_aki = true;
}
DEVIATION(root_crl_without_aki)
{
    t->coll.root_crl.without_aki = true;
}
DEVIATION(pck_crl_expired)
{
    t->coll.pck_crl.until = AT_2026;
}
DEVIATION(root_crl_expired)
{
    t->coll.root_crl.until = AT_2026;
}
DEVIATION(pck_crl_from_tomorrow)
{
    t->coll.pck_crl.from = AT_2026 + 86400;
}
DEVIATION(root_crl_from_tomorrow)
{
    t->coll.root_crl.from = AT_2026 + 86400;
}

static void revoked_certificates_and_foreign_crls_are_refused(void **state)
{
    static const struct row rows[] = {
        { "PCK revoked", VD_E_REVOKED, revoked_pck },
        { "Platform CA revoked", VD_E_REVOKED, revoked_platform },
        { "TCB signer revoked", VD_E_REVOKED, revoked_signer },
        { "the Processor CA's list", VD_E_COLLATERAL_SIG, crl_of_the_processor },
        { "signed by the Processor CA", VD_E_COLLATERAL_SIG, crl_signed_by_the_processor },
        { "signed by the root", VD_E_COLLATERAL_SIG, crl_signed_by_the_root },
        { "the root's list signed by a CA", VD_E_COLLATERAL_SIG, root_crl_signed_by_the_platform },
        { "a CA's list as the root's", VD_E_COLLATERAL_SIG, root_crl_is_the_pck_crl },
        { "the root's list as a CA's", VD_E_COLLATERAL_SIG, pck_crl_is_the_root_crl },
        { "PCK CRL without a number", VD_E_COLLATERAL_SYNTAX, pck_crl_without_number },
        { "root CRL without a number", VD_E_COLLATERAL_SYNTAX, root_crl_without_number },
        { "PCK CRL without a key id", VD_E_COLLATERAL_SYNTAX, pck_crl_without_aki },
        { "root CRL without a key id", VD_E_COLLATERAL_SYNTAX, root_crl_without_aki },
        { "PCK CRL expired", VD_E_COLLATERAL_EXPIRED, pck_crl_expired },
        { "root CRL expired", VD_E_COLLATERAL_EXPIRED, root_crl_expired },
        { "PCK CRL from tomorrow", VD_E_COLLATERAL_EXPIRED, pck_crl_from_tomorrow },
        { "root CRL from tomorrow", VD_E_COLLATERAL_EXPIRED, root_crl_from_tomorrow },
    };
    RUN("revocation", rows);
}

static void other_revoked_platforms_do_not_matter(void **state)
{
    struct trial t = trial_of(4, 2);
    t.coll.pck_crl.revoked[0] = t.pck.serial - 1;
    t.coll.pck_crl.revoked[1] = t.pck.serial + 1;
    t.coll.pck_crl.n_revoked = 2;
    t.coll.root_crl.revoked[0] = simtdx_serial(SIMTDX_PROCESSOR);
    t.coll.root_crl.n_revoked = 1;
    expect(*state, "neighbours", VD_E_OK, &t);
}

static void a_revocation_reaches_platforms_that_are_kept(void **state)
{
    struct trial t = trial_of(4, 2);
    expect(*state, "before", VD_E_OK, &t);
    revoked_pck(&t);
    expect(*state, "after", VD_E_REVOKED, &t);
}

/* ---- quoting enclave and module ---- */

DEVIATION(qe_debug)
{
    t->quote.qe.flags |= 2;
}
DEVIATION(qe_debug_and_nobody_looks)
{
    qe_debug(t);
    t->coll.identity[0].flags_mask = t->coll.identity[1].flags_mask = 0;
    t->coll.identity[0].flags = t->coll.identity[1].flags = 0;
}
DEVIATION(qe_without_provisioning)
{
    t->quote.qe.flags &= ~UINT64_C(0x10);
}
DEVIATION(qe_another_signer)
{
    t->quote.qe.mrsigner[31] ^= 1;
}
DEVIATION(qe_another_product)
{
    t->quote.qe.isv_prod_id++;
}
DEVIATION(qe_another_misc)
{
    t->quote.qe.miscselect = 1;
}
DEVIATION(qe_too_old)
{
    t->quote.qe.isv_svn = 5;
}
DEVIATION(qe_revoked)
{
    t->coll.identity[0].level[0].status = t->coll.identity[1].level[0].status = "Revoked";
}
DEVIATION(qe_unbound)
{
    t->quote.unbound = true;
}
DEVIATION(qe_other_half)
{
    t->quote.qe.report_data[63] = 1;
    t->quote.unbound = true;
}
DEVIATION(quote_of_a_stranger)
{
    t->quote.quote_signer = SIMTDX_STRANGER;
}
DEVIATION(qe_of_a_stranger)
{
    t->quote.qe_signer = SIMTDX_STRANGER;
}
DEVIATION(qe_signed_by_itself)
{
    t->quote.qe_signer = SIMTDX_ATTESTATION;
}
DEVIATION(quote_signed_by_the_pck)
{
    t->quote.quote_signer = SIMTDX_PCK;
}
DEVIATION(another_vendor)
{
    t->quote.vendor_id[0] ^= 1;
}
DEVIATION(another_key_type)
{
    t->quote.key_type = 3;
}
DEVIATION(component_too_old)
{
    t->pck.component[0] = 4;
}
DEVIATION(pce_too_old)
{
    t->pck.pcesvn = 10;
}
DEVIATION(platform_revoked)
{
    t->coll.info[0].level[0].status = t->coll.info[1].level[0].status = "Revoked";
}
DEVIATION(old_platform_revoked)
{
    t->pck.pcesvn = 11;
    t->coll.info[0].level[1].status = t->coll.info[1].level[1].status = "Revoked";
}

static void quoting_enclaves_and_signatures_that_do_not_fit_are_refused(void **state)
{
    static const struct row rows[] = {
        { "debug", VD_E_QE_IDENTITY, qe_debug },
        { "debug where the mask does not look", VD_E_QE_IDENTITY, qe_debug_and_nobody_looks },
        { "no provisioning key", VD_E_QE_IDENTITY, qe_without_provisioning },
        { "another signer", VD_E_QE_IDENTITY, qe_another_signer },
        { "another product", VD_E_QE_IDENTITY, qe_another_product },
        { "another MISCSELECT", VD_E_QE_IDENTITY, qe_another_misc },
        { "older than every level", VD_E_TCB_UNSUPPORTED, qe_too_old },
        { "its level revoked", VD_E_TCB_REVOKED, qe_revoked },
        { "key not bound", VD_E_QE_BINDING, qe_unbound },
        { "second half of the binding", VD_E_QE_BINDING, qe_other_half },
        { "quote signed by a stranger", VD_E_SIG, quote_of_a_stranger },
        { "quote signed by the PCK", VD_E_SIG, quote_signed_by_the_pck },
        { "QE report of a stranger", VD_E_QE_SIG, qe_of_a_stranger },
        { "QE report signed by its own key", VD_E_QE_SIG, qe_signed_by_itself },
        { "another vendor", VD_E_KEY_TYPE, another_vendor },
        { "another key type", VD_E_KEY_TYPE, another_key_type },
        { "a component below every level", VD_E_TCB_UNSUPPORTED, component_too_old },
        { "PCESVN below every level", VD_E_TCB_UNSUPPORTED, pce_too_old },
        { "platform's level revoked", VD_E_TCB_REVOKED, platform_revoked },
        { "an old level revoked", VD_E_TCB_REVOKED, old_platform_revoked },
    };
    RUN("quoting enclave", rows);
}

/* The first half is right: only the second half differs. */
static void both_halves_of_the_binding_count(void **state)
{
    const struct kit *k = *state;
    VD_AUTO_BUF quote = vd_buf_of(1u << 20);
    struct trial t = trial_of(4, 2);
    simtdx_quote_make(k->pki, &t.quote, &t.pck, &quote);
    memcpy(t.quote.qe.report_data, quote.p + 770 + 320, 32);
    t.quote.unbound = true;
    expect(k, "as it should be", VD_E_OK, &t);
    t.quote.qe.report_data[32] = 1;
    expect(k, "second half", VD_E_QE_BINDING, &t);
    t.quote.qe.report_data[32] = 0;
    t.quote.auth[0] ^= 1;
    expect(k, "other authentication data", VD_E_QE_BINDING, &t);
}

static void modules_that_do_not_fit_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t major;
        uint8_t svn;
        uint8_t signer;
        uint64_t attributes;
        uint64_t mask;
        const char *status;
        vd_code want;
    } rows[] = {
        { "as it should be", 1, 5, 0, 0, UINT64_MAX, "UpToDate", VD_E_OK },
        { "unknown major version", 2, 5, 0, 0, UINT64_MAX, "UpToDate", VD_E_TDX_MODULE },
        { "major version 16", 16, 5, 0, 0, UINT64_MAX, "UpToDate", VD_E_TDX_MODULE },
        { "older than every level", 1, 2, 0, 0, UINT64_MAX, "UpToDate", VD_E_TCB_UNSUPPORTED },
        { "revoked", 1, 5, 0, 0, UINT64_MAX, "Revoked", VD_E_TCB_REVOKED },
        { "another signer", 1, 5, 1, 0, UINT64_MAX, "UpToDate", VD_E_TDX_MODULE },
        { "another signer, version 0", 0, 5, 1, 0, UINT64_MAX, "UpToDate", VD_E_TDX_MODULE },
        { "attributes", 1, 5, 0, 1, UINT64_MAX, "UpToDate", VD_E_TDX_MODULE },
        { "attributes outside the mask", 1, 5, 0, 1, 0, "UpToDate", VD_E_TDX_MODULE },
        { "attributes, version 0", 0, 5, 0, 1, 0, "UpToDate", VD_E_TDX_MODULE },
    };
    static const struct {
        unsigned version;
        unsigned body;
    } kinds[] = { { 4, 2 }, { 5, 2 }, { 5, 3 }, { 5, 4 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t j = 0; j < sizeof kinds / sizeof kinds[0]; j++) {
            struct trial t = trial_of(kinds[j].version, kinds[j].body);
            t.quote.td.tcb_svn[1] = t.quote.td.tcb_svn2[1] = rows[i].major;
            t.quote.td.tcb_svn[0] = t.quote.td.tcb_svn2[0] = rows[i].svn;
            t.quote.td.mrsigner_seam[47] = rows[i].signer;
            t.quote.td.seam_attributes = rows[i].attributes;
            t.coll.info[1].base.mask = t.coll.info[1].module[1].mask = rows[i].mask;
            t.coll.info[1].module[1].level[0].status = rows[i].status;
            expect(*state, rows[i].name, rows[i].want, &t);
        }
    print_message("modules: %zu cases\n", sizeof rows / sizeof rows[0] * 4);
}

static void a_module_that_cannot_be_judged_now_fails_the_whole(void **state)
{
    struct trial t = trial_of(5, 3);
    t.quote.td.tcb_svn2[1] = 2;
    expect(*state, "unknown major version now", VD_E_TDX_MODULE, &t);
    t = trial_of(5, 3);
    t.quote.td.tcb_svn2[0] = 2;
    expect(*state, "too old now", VD_E_TCB_UNSUPPORTED, &t);
    t.coll.info[1].module[1].level[1].status = "Revoked";
    t.quote.td.tcb_svn2[0] = 3;
    expect(*state, "revoked now", VD_E_TCB_REVOKED, &t);
    t.quote.td.tcb_svn2[0] = 5;
    expect(*state, "fine now", VD_E_OK, &t);
    t.quote.td.tcb_svn[0] = 3;
    expect(*state, "revoked at launch", VD_E_TCB_REVOKED, &t);
}

static void bodies_of_another_size_are_refused(void **state)
{
    static const uint32_t sizes[] = { 1, 384, 583, 584, 585, 647, 649, 885, 65535, UINT32_MAX };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct trial t = trial_of(5, 3);
        t.quote.body_size = sizes[i];
        expect(*state, "size of the body", VD_E_BAD_EVIDENCE, &t);
    }
    for (unsigned type = 0; type < 9; type++) {
        struct trial t = trial_of(5, 3);
        bool known = type >= 2 && type <= 4; /* then the generator writes that body */
        t.quote.body_type = type;
        struct outcome o = trial_run(*state, &t);
        if (known)
            assert_int_equal(o.code, VD_E_OK);
        else
            assert_true(o.code == VD_E_BAD_EVIDENCE || o.code == VD_E_EVIDENCE_VERSION);
        outcome_done(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_that_are_not_intels_form_are_refused),
        cmocka_unit_test(certification_data_of_other_types_is_named),
        cmocka_unit_test(chains_of_other_certificates_are_refused),
        cmocka_unit_test(without_its_root_in_the_configuration_nothing_is_accepted),
        cmocka_unit_test(revoked_certificates_and_foreign_crls_are_refused),
        cmocka_unit_test(other_revoked_platforms_do_not_matter),
        cmocka_unit_test(a_revocation_reaches_platforms_that_are_kept),
        cmocka_unit_test(quoting_enclaves_and_signatures_that_do_not_fit_are_refused),
        cmocka_unit_test(both_halves_of_the_binding_count),
        cmocka_unit_test(modules_that_do_not_fit_are_refused),
        cmocka_unit_test(a_module_that_cannot_be_judged_now_fails_the_whole),
        cmocka_unit_test(bodies_of_another_size_are_refused),
    };
    return cmocka_run_group_tests(tests, open_kit, close_kit);
}
