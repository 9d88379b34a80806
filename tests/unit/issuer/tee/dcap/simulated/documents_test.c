/* Which documents of a simulated platform must be refused, and what the configuration demands of
 * them: each deviation alone, signed texts with two meanings, missing pieces, floors, grace. */
#include "tests/unit/issuer/tee/dcap/simulated/kit.h"

/* ---- documents ---- */

DEVIATION(documents_signed_by_a_ca)
{
    t->coll.info_signer = SIMTDX_PLATFORM;
}
DEVIATION(another_fmspc)
{
    t->coll.info[0].fmspc[5] = t->coll.info[1].fmspc[5] = 1;
}
DEVIATION(another_pceid)
{
    t->coll.info[0].pceid[0] = t->coll.info[1].pceid[0] = 1;
}
DEVIATION(tcb_type_1)
{
    t->coll.info[0].tcb_type = t->coll.info[1].tcb_type = 1;
}
DEVIATION(version_2)
{
    t->coll.info[0].version = t->coll.info[1].version = 2;
}
DEVIATION(version_4)
{
    t->coll.info[0].version = t->coll.info[1].version = 4;
}
DEVIATION(identity_version_1)
{
    t->coll.identity[0].version = t->coll.identity[1].version = 1;
}
DEVIATION(documents_of_the_other_tee)
{
    struct simtdx_tcb_info sgx = t->coll.info[0];
    t->coll.info[0] = t->coll.info[1];
    t->coll.info[1] = sgx;
}
DEVIATION(identity_of_the_other_tee)
{
    struct simtdx_identity sgx = t->coll.identity[0];
    t->coll.identity[0] = t->coll.identity[1];
    t->coll.identity[1] = sgx;
}
DEVIATION(identity_of_the_qve)
{
    t->coll.identity[0].id = t->coll.identity[1].id = "QVE";
}
DEVIATION(id_of_the_other_tee)
{
    t->coll.info[0].id = "TDX";
    t->coll.info[1].id = "SGX";
}
DEVIATION(unknown_status)
{
    t->coll.info[0].level[0].status = t->coll.info[1].level[0].status = "MostlyFine";
}
DEVIATION(unknown_qe_status)
{
    t->coll.identity[0].level[0].status = t->coll.identity[1].level[0].status = "uptodate";
}
DEVIATION(no_levels)
{
    t->coll.info[0].n_levels = t->coll.info[1].n_levels = 0;
}
DEVIATION(no_qe_levels)
{
    t->coll.identity[0].n_levels = t->coll.identity[1].n_levels = 0;
}
DEVIATION(level_twice)
{
    for (size_t i = 0; i < 2; i++)
        t->coll.info[i].level[1] = t->coll.info[i].level[0];
}
DEVIATION(info_expired)
{
    t->coll.info[0].next = t->coll.info[1].next = AT_2026;
}
DEVIATION(identity_expired)
{
    t->coll.identity[0].next = t->coll.identity[1].next = AT_2026;
}
DEVIATION(info_from_the_future)
{
    t->coll.info[0].issued = t->coll.info[1].issued = AT_2026 + 301;
}
DEVIATION(identity_from_the_future)
{
    t->coll.identity[0].issued = t->coll.identity[1].issued = AT_2026 + 301;
}
DEVIATION(date_without_a_zone)
{
    t->coll.info[0].level[0].date = t->coll.info[1].level[0].date = "2025-08-13";
}

static void documents_that_do_not_fit_are_refused(void **state)
{
    static const struct row rows[] = {
        { "signed by the Platform CA", VD_E_COLLATERAL_CHAIN, documents_signed_by_a_ca },
        { "another family", VD_E_COLLATERAL_MISMATCH, another_fmspc },
        { "another PCE", VD_E_COLLATERAL_MISMATCH, another_pceid },
        { "tcbType 1", VD_E_COLLATERAL_VERSION, tcb_type_1 },
        { "version 2", VD_E_COLLATERAL_VERSION, version_2 },
        { "version 4", VD_E_COLLATERAL_VERSION, version_4 },
        { "identity version 1", VD_E_COLLATERAL_VERSION, identity_version_1 },
        { "documents of the other TEE", VD_E_COLLATERAL_MISMATCH, documents_of_the_other_tee },
        { "identity of the other TEE", VD_E_COLLATERAL_MISMATCH, identity_of_the_other_tee },
        { "identity of the QVE", VD_E_COLLATERAL_MISMATCH, identity_of_the_qve },
        { "only the id of the other TEE", VD_E_COLLATERAL_SYNTAX, id_of_the_other_tee },
        { "unknown status", VD_E_COLLATERAL_SYNTAX, unknown_status },
        { "status in other letters", VD_E_COLLATERAL_SYNTAX, unknown_qe_status },
        { "no levels", VD_E_COLLATERAL_SYNTAX, no_levels },
        { "no levels of the enclave", VD_E_COLLATERAL_SYNTAX, no_qe_levels },
        { "a level twice", VD_E_COLLATERAL_SYNTAX, level_twice },
        { "TCB info expired", VD_E_COLLATERAL_EXPIRED, info_expired },
        { "identity expired", VD_E_COLLATERAL_EXPIRED, identity_expired },
        { "TCB info from the future", VD_E_COLLATERAL_EXPIRED, info_from_the_future },
        { "identity from the future", VD_E_COLLATERAL_EXPIRED, identity_from_the_future },
        { "a date that is none", VD_E_COLLATERAL_SYNTAX, date_without_a_zone },
    };
    RUN("documents", rows);
}

/* Signed texts that no honest signer writes: what two readers could understand differently. */
static void signed_texts_with_two_meanings_are_refused(void **state)
{
    static const struct {
        const char *name;
        bool identity;
        struct swap swap;
        vd_code want;
    } rows[] = {
        { "member twice",
          false,
          { "\"version\":3", "\"version\":3,\"version\":3" },
          VD_E_COLLATERAL_SYNTAX },
        { "levels twice",
          false,
          { "\"tcbLevels\":[", "\"tcbLevels\":[],\"tcbLevels\":[" },
          VD_E_COLLATERAL_SYNTAX },
        { "inner member twice",
          false,
          { "\"svn\":7", "\"svn\":7,\"svn\":0" },
          VD_E_COLLATERAL_SYNTAX },
        { "status twice",
          false,
          { "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"UpToDate\",\"tcbStatus\":\"Revoked\"" },
          VD_E_COLLATERAL_SYNTAX },
        { "a fraction", false, { "\"svn\":7", "\"svn\":7.0" }, VD_E_COLLATERAL_SYNTAX },
        { "an exponent", false, { "\"svn\":7", "\"svn\":7e0" }, VD_E_COLLATERAL_SYNTAX },
        { "a negative number", false, { "\"svn\":7", "\"svn\":-7" }, VD_E_COLLATERAL_SYNTAX },
        { "a number too large", false, { "\"svn\":7", "\"svn\":256" }, VD_E_COLLATERAL_SYNTAX },
        { "PCESVN too large",
          false,
          { "\"pcesvn\":13", "\"pcesvn\":65536" },
          VD_E_COLLATERAL_SYNTAX },
        { "a text for a number",
          false,
          { "\"pcesvn\":13", "\"pcesvn\":\"13\"" },
          VD_E_COLLATERAL_SYNTAX },
        { "a component more",
          false,
          { "\"sgxtcbcomponents\":[", "\"sgxtcbcomponents\":[{\"svn\":0}," },
          VD_E_COLLATERAL_SYNTAX },
        { "a component less", false, { "{\"svn\":0},", "" }, VD_E_COLLATERAL_SYNTAX },
        { "a component without SVN", false, { "{\"svn\":0},", "{}," }, VD_E_COLLATERAL_SYNTAX },
        { "a shorter family", false, { "51806F050000", "51806F0500" }, VD_E_COLLATERAL_SYNTAX },
        { "family in small letters", false, { "51806F050000", "51806f050000" }, VD_E_OK },
        { "a further member",
          false,
          { "\"version\":3", "\"version\":3,\"new\":{\"a\":[1]}" },
          VD_E_OK },
        { "null levels",
          false,
          { "\"tcbLevels\":[", "\"tcbLevels\":null,\"x\":[" },
          VD_E_COLLATERAL_SYNTAX },
        { "an advisory with a comma",
          false,
          { "INTEL-SA-00837", "INTEL-SA-1,INTEL-SA-2" },
          VD_E_COLLATERAL_SYNTAX },
        { "identity's member twice",
          true,
          { "\"isvprodid\":2", "\"isvprodid\":2,\"isvprodid\":2" },
          VD_E_COLLATERAL_SYNTAX },
        { "identity without a signer",
          true,
          { "\"mrsigner\"", "\"mrsignor\"" },
          VD_E_COLLATERAL_SYNTAX },
        { "a mask too short",
          true,
          { "\"miscselectMask\":\"FFFFFFFF\"", "\"miscselectMask\":\"FFFFFF\"" },
          VD_E_COLLATERAL_SYNTAX },
        { "an empty signer",
          true,
          { "\"mrsigner\":\"", "\"mrsigner\":\"\",\"x\":\"" },
          VD_E_COLLATERAL_SYNTAX },
        { "ISVSVN too large",
          true,
          { "\"isvsvn\":8", "\"isvsvn\":65536" },
          VD_E_COLLATERAL_SYNTAX },
        { "an empty object", true, { "\"id\":\"TD_QE\"", "\"id\":\"\"" }, VD_E_COLLATERAL_SYNTAX },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trial t = trial_of(4, 2);
        *(rows[i].identity ? &t.identity : &t.info) = rows[i].swap;
        expect(*state, rows[i].name, rows[i].want, &t);
    }
    print_message("signed texts: %zu cases\n", sizeof rows / sizeof rows[0]);
}

static void each_missing_piece_is_named(void **state)
{
    static const struct {
        enum dcap_item item;
        vd_code want;
    } rows[] = {
        { DCAP_TCB_INFO, VD_E_COLLATERAL }, { DCAP_TCB_INFO_CHAIN, VD_E_COLLATERAL },
        { DCAP_IDENTITY, VD_E_COLLATERAL }, { DCAP_IDENTITY_CHAIN, VD_E_COLLATERAL },
        { DCAP_PCK_CRL, VD_E_COLLATERAL },  { DCAP_PCK_CRL_CHAIN, VD_E_OK },
        { DCAP_ROOT_CRL, VD_E_COLLATERAL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trial t = trial_of(5, 3);
        t.has_missing = true;
        t.missing = rows[i].item;
        struct outcome o = trial_run(*state, &t);
        assert_int_equal(o.code, rows[i].want);
        if (o.code != VD_E_OK && !strstr(o.err.msg, dcap_item_name(rows[i].item))) {
            print_error("%s is not named in: %s\n", dcap_item_name(rows[i].item), o.err.msg);
            fail();
        }
        outcome_done(&o);
    }
}

/* ---- configuration ---- */

static void floors_of_the_configuration_hold(void **state)
{
    struct kit k = *(const struct kit *)*state;
    static const char *const mine[] = { "51806f050000" };
    static const char *const other[] = { "00806f050000", "90c06f000000" };
    static const char *const rejected[] = { "INTEL-SA-00001", "INTEL-SA-01036" };
    struct trial t = trial_of(4, 2);
    k.cfg.min_eval_num = 20;
    expect(&k, "number reached", VD_E_OK, &t);
    k.cfg.min_eval_num = 21;
    expect(&k, "number too low", VD_E_COLLATERAL_OLD, &t);
    t.coll.info[1].eval = 21;
    expect(&k, "identity's number too low", VD_E_COLLATERAL_OLD, &t);
    t.coll.identity[1].eval = 21;
    expect(&k, "both reached", VD_E_OK, &t);
    k.cfg.min_eval_num = 0;
    k.cfg.min_tcb_date = 1755043200; /* 2025-08-13 */
    expect(&k, "date reached", VD_E_OK, &t);
    k.cfg.min_tcb_date++;
    expect(&k, "date too old", VD_E_TCB_FLOOR, &t);
    k.cfg.min_tcb_date = 0;
    k.cfg.fmspcs = mine;
    k.cfg.n_fmspcs = 1;
    expect(&k, "family allowed", VD_E_OK, &t);
    k.cfg.fmspcs = other;
    k.cfg.n_fmspcs = 2;
    expect(&k, "family not allowed", VD_E_TCB_FLOOR, &t);
    k.cfg.n_fmspcs = 0;
    k.cfg.rejected_advisories = rejected;
    k.cfg.n_rejected_advisories = 2;
    expect(&k, "no such advisory", VD_E_OK, &t);
    t.quote.td.tcb_svn[0] = 3;
    expect(&k, "the module's advisory", VD_E_TCB_FLOOR, &t);
}

static void expired_collateral_passes_within_the_grace_and_is_marked(void **state)
{
    struct kit k = *(const struct kit *)*state;
    struct trial t = trial_of(4, 2);
    int64_t end = t.coll.info[1].next;
    t.now = end - 1;
    expect(&k, "the last second", VD_E_OK, &t);
    t.now = end;
    expect(&k, "the end", VD_E_COLLATERAL_EXPIRED, &t);
    k.cfg.grace = 86400;
    struct outcome o = trial_run(&k, &t);
    assert_int_equal(o.code, VD_E_OK);
    assert_true(o.result.collateral_expired);
    outcome_done(&o);
    t.now = end - 1;
    o = trial_run(&k, &t);
    assert_false(o.result.collateral_expired);
    outcome_done(&o);
    t.now = end + 86400;
    expect(&k, "behind the grace", VD_E_COLLATERAL_EXPIRED, &t);
    t.coll.info[1].issued = t.now + 3600;
    t.coll.info[1].next = t.now + 7200;
    expect(&k, "grace is not for the future", VD_E_COLLATERAL_EXPIRED, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_that_do_not_fit_are_refused),
        cmocka_unit_test(signed_texts_with_two_meanings_are_refused),
        cmocka_unit_test(each_missing_piece_is_named),
        cmocka_unit_test(floors_of_the_configuration_hold),
        cmocka_unit_test(expired_collateral_passes_within_the_grace_and_is_marked),
    };
    return cmocka_run_group_tests(tests, open_kit, close_kit);
}
