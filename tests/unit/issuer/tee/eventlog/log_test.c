/* Event logs: the genuine ones replay and become Trustee's claims, cut and forged ones are refused
 * or do not replay, and nothing outside the input is read. */
#include "tests/support/support.h"

#include "issuer/tee/eventlog/eventlog.h"
#include "shared/codec/b64.h"

#define LOGS "tests/vectors/intel/trustee-eventlog/"
#define CCEL "tests/vectors/intel/go-tdx-guest/ccel/"
#define ZERO48                                                                                     \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "0"                                                                                            \
    "000"

static const struct genuine {
    const char *name;
    const char *file;
    const char *claims; /* NULL: none are known */
    size_t events;
    const char *rtmr[EVL_REGISTERS]; /* beginnings */
} genuine[] = {
    { "td-shim",
      LOGS "CCEL_data",
      LOGS "CCEL_data_out.json",
      5,
      { "2dc712306a963eadb894ad47dbaa17df44814151555aee11cbb843becca88950ffd079664902e6f22c66f7c821"
        "3543f4",
        "0fa3be56af61208bbd179dc7b124988eb929319154663c539d6f46445ecac2fec287075047ff7bd1922829fec2"
        "8cd3cf",
        ZERO48, ZERO48 } },
    { "OVMF",
      LOGS "CCEL_data_ovmf",
      LOGS "CCEL_data_ovmf_out.json",
      20,
      { "8566f998798db09443b244c62de9a3041fb02e2e6936c4396d784bba2e90177329ec5aba3bb484404f2ab9cc90"
        "abe193",
        "775b9f6bfe99f8a31396f0d0218e67ffa796d3b96ccf961cbb0deba48c79c00f082cda1a5567c1c16305f1fc21"
        "0c13c6",
        "94eaf7a7bf398ed8d888c91057ae0261802e4f3df084213a76ca7f0b5055ac9d2241de43cd58d9e8b49c503bbf"
        "25f34a",
        ZERO48 } },
    { "GRUB",
      LOGS "CCEL_data_grub",
      LOGS "CCEL_data_grub_out.json",
      37,
      { "cec0a104f691f60da2387fea3c2de00c4ac035e2bb479ff02edcce69039d9e9907f0b3e55031da3dc7038f423a"
        "debd79",
        "6c289e0c62182d41ebe97bdbc9872d10998a08eaa86adcdc684001a363207ee72942c7522cdf00a4bbc3d784be"
        "d7b670",
        "08919d017ba0e52cd6d966351c7de16fe76c1d3d3d3da4554239e4c7d16cb8b82a94e7eaea3a0e6e18eb690b99"
        "9fd31e",
        ZERO48 } },
    { "Google Cloud",
      LOGS "CCEL_data_gcp",
      NULL,
      21,
      { "3300980705adf09d28b707b79699d9874892164280832be2c386a715b6e204e0897fb564a064f810659207ba86"
        "2b304f",
        "204d49f78d29918fe7b2f694e76653861a0c2a018987d2c3a54266eff737232524cf0af68c4d180e2f8c2c0937"
        "f21967",
        ZERO48, ZERO48 } },
    { "GKE with two EV_NO_ACTION",
      LOGS "CCEL_data_grub_gke",
      LOGS "CCEL_data_grub_gke_out.json",
      35,
      { "bc9945139042cf2cc75caf920aa57f14884ecfd7e893bccc51250c8ce90eb53ce72741e6adaa18183eb1331a87"
        "d4544a",
        "c17cb288a4dee302bb9ed8d27257a168f3264ad68cab53757f37eeaa7039657fa887cad65cf910e0fdc435ff11"
        "0f8a7b",
        "334aeba2c985f8886cea97d1ecffbd512769d528b9a94009583db667ad7d2faa7d37fa145d75b192ceee2d2f10"
        "b2eb6d",
        ZERO48 } },
    { "Alibaba Cloud with the agent's events",
      LOGS "CCEL_AAEL_alibabacloud",
      LOGS "CCEL_AAEL_alibabacloud_out.json",
      87,
      { "b796e1c1", "3b0b9061", "35f28013", "5e4ecd49" } },
    { "Google Cloud with its quote",
      CCEL "ccel_data.dat",
      NULL,
      43,
      { "3fa2f61f", "f62dbc07", "4969684d", ZERO48 } },
};
enum { GENUINE = sizeof genuine / sizeof genuine[0] };

static struct evl_log *parsed(vd_span in)
{
    struct evl_log *l = NULL;
    vd_err err = { 0 };
    vd_rc_ rc = evl_parse(in, VD_SHA384, &l, &err);
    if (rc.code != VD_E_OK)
        print_error("%s\n", err.msg);
    assert_int_equal(rc.code, VD_E_OK);
    return l;
}

static void genuine_logs_replay_to_the_known_registers(void **state)
{
    (void)state;
    for (size_t i = 0; i < GENUINE; i++) {
        VD_AUTO_BUF in = vd_test_file(genuine[i].file);
        VD_AUTO(evl_free) struct evl_log *l = parsed(vd_buf_span(&in));
        assert_int_equal(l->n, genuine[i].events);
        uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX];
        assert_ok(evl_replay(l, reg, NULL));
        for (size_t k = 0; k < EVL_REGISTERS; k++) {
            VD_AUTO_BUF hex = vd_buf_of(128);
            vd_hex_encode(vd_span_of(reg[k], 48), &hex);
            if (!vd_span_starts(vd_buf_span(&hex), vd_span_str(genuine[i].rtmr[k])))
                fail_msg("%s: RTMR%zu is %s", genuine[i].name, k, vd_buf_cstr(&hex));
        }
    }
    print_message("event logs: %d genuine ones replayed\n", (int)GENUINE);
}

static void genuine_logs_become_the_claims_of_trustee(void **state)
{
    (void)state;
    unsigned compared = 0;
    for (size_t i = 0; i < GENUINE; i++) {
        if (!genuine[i].claims)
            continue;
        VD_AUTO_BUF in = vd_test_file(genuine[i].file);
        VD_AUTO_BUF want = vd_test_file(genuine[i].claims);
        VD_AUTO(evl_free) struct evl_log *l = parsed(vd_buf_span(&in));
        VD_AUTO_BUF got = vd_buf_of(1u << 20);
        assert_ok(evl_json(l, &got, NULL));
        VD_AUTO(vd_json_free) struct vd_json *a = NULL;
        VD_AUTO(vd_json_free) struct vd_json *b = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&want), VD_JSON_LIMITS(1u << 20), &a, NULL));
        assert_ok(vd_json_parse(vd_buf_span(&got), VD_JSON_LIMITS(1u << 20), &b, NULL));
        vd_jv_iter want_it = vd_jv_iter_of(vd_jv_get(vd_json_root(a), "uefi_event_logs"));
        vd_jv_iter got_it = vd_jv_iter_of(vd_json_root(b));
        size_t at = 0;
        while (vd_jv_next(&want_it)) {
            assert_true(vd_jv_next(&got_it));
            VD_AUTO_BUF x = vd_buf_of(1u << 20);
            VD_AUTO_BUF y = vd_buf_of(1u << 20);
            assert_ok(vd_json_canonical(want_it.value, &x, NULL));
            assert_ok(vd_json_canonical(got_it.value, &y, NULL));
            if (!vd_span_eq(vd_buf_span(&x), vd_buf_span(&y)))
                fail_msg("%s: event %zu\nwanted %s\ngot    %s", genuine[i].name, at,
                         vd_buf_cstr(&x), vd_buf_cstr(&y));
            at++;
        }
        assert_false(vd_jv_next(&got_it));
        compared++;
    }
    assert_int_equal(compared, 5);
    print_message("event logs: %u expected files of claims, all equal\n", compared);
}

static void a_log_of_sm3_digests_is_read_with_that_algorithm_only(void **state)
{
    (void)state;
    VD_AUTO_BUF in = vd_test_file(LOGS "CCEL_data_csv");
    VD_AUTO(evl_free) struct evl_log *l = NULL;
    assert_rc(VD_E_EVENT_LOG, evl_parse(vd_buf_span(&in), VD_SHA384, &l, NULL));
    assert_ok(evl_parse(vd_buf_span(&in), VD_SM3, &l, NULL));
    assert_int_equal(l->n, 82);
}

static void the_quote_of_a_guest_confirms_its_log(void **state)
{
    (void)state;
    VD_AUTO_BUF in = vd_test_file(CCEL "ccel_data.dat");
    VD_AUTO_BUF quote = vd_test_file(CCEL "cos-113-tdx-quote.dat");
    VD_AUTO(evl_free) struct evl_log *l = parsed(vd_buf_span(&in));
    uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX];
    assert_ok(evl_replay(l, reg, NULL));
    vd_span rtmr[EVL_REGISTERS];
    for (size_t i = 0; i < EVL_REGISTERS; i++)
        rtmr[i] = vd_span_part(vd_buf_span(&quote), 376 + 48 * i, 48);
    assert_ok(evl_compare(l, reg, rtmr, NULL));
    for (size_t i = 0; i < EVL_REGISTERS; i++) {
        vd_err err = { 0 };
        char want[16];
        (void)snprintf(want, sizeof want, "RTMR%zu", i);
        reg[i][47] ^= 1;
        assert_rc(VD_E_EVENT_LOG, evl_compare(l, reg, rtmr, &err));
        assert_non_null(strstr(err.msg, want));
        reg[i][47] ^= 1;
    }
    rtmr[3] = vd_span_part(rtmr[3], 0, 47);
    assert_rc(VD_E_EVENT_LOG, evl_compare(l, reg, rtmr, NULL));
}

/* At a boundary of records a cut log is a shorter log; anywhere else it is none. */
static void a_log_cut_anywhere_is_refused_or_replays_to_something_else(void **state)
{
    (void)state;
    VD_AUTO_BUF in = vd_test_file(LOGS "CCEL_data_ovmf");
    VD_AUTO(evl_free) struct evl_log *whole = parsed(vd_buf_span(&in));
    uint8_t want[EVL_REGISTERS][VD_HASH_BYTES_MAX];
    assert_ok(evl_replay(whole, want, NULL));
    size_t shorter = 0;
    for (size_t n = 0; n < whole->used.n; n++) {
        vd_span cut = vd_test_guarded(vd_span_part(whole->used, 0, n));
        VD_AUTO(evl_free) struct evl_log *l = NULL;
        vd_rc_ rc = evl_parse(cut, VD_SHA384, &l, NULL);
        if (rc.code == VD_E_OK) {
            uint8_t got[EVL_REGISTERS][VD_HASH_BYTES_MAX];
            assert_ok(evl_replay(l, got, NULL));
            assert_memory_not_equal(got, want, sizeof got);
            shorter++;
        } else {
            assert_int_equal(rc.code, VD_E_BAD_EVIDENCE);
        }
        vd_test_guarded_free(cut);
    }
    assert_in_range(shorter, whole->n, whole->n * 9); /* a cut marker ends a log too */
    print_message("event logs: cut at %zu places\n", whole->used.n);
}

static void a_flipped_bit_never_leaves_registers_and_events_as_they_were(void **state)
{
    (void)state;
    VD_AUTO_BUF in = vd_test_file(LOGS "CCEL_data_ovmf");
    VD_AUTO(evl_free) struct evl_log *whole = parsed(vd_buf_span(&in));
    uint8_t want[EVL_REGISTERS][VD_HASH_BYTES_MAX];
    assert_ok(evl_replay(whole, want, NULL));
    VD_AUTO_BUF claims = vd_buf_of(1u << 20);
    assert_ok(evl_json(whole, &claims, NULL));
    for (size_t at = 65; at < whole->used.n; at++) {
        in.p[at] ^= 0x10;
        VD_AUTO(evl_free) struct evl_log *l = NULL;
        uint8_t got[EVL_REGISTERS][VD_HASH_BYTES_MAX];
        VD_AUTO_BUF other = vd_buf_of(1u << 20);
        if (evl_parse(vd_buf_span(&in), VD_SHA384, &l, NULL).code == VD_E_OK) {
            assert_ok(evl_replay(l, got, NULL));
            assert_ok(evl_json(l, &other, NULL));
            assert_false(memcmp(got, want, sizeof got) == 0 &&
                         vd_span_eq(vd_buf_span(&other), vd_buf_span(&claims)));
        }
        in.p[at] ^= 0x10;
    }
}

/* ---- logs made by hand --------------------------------------------------------------------------
 */

/* The first record of an agent that found no CCEL: no text, SHA-384 and SM3. */
static vd_buf begun(void)
{
    vd_buf b = vd_buf_of(1u << 20);
    vd_buf_le(&b, 0, 4);
    vd_buf_le(&b, 3, 4);
    for (size_t i = 0; i < 20; i++)
        vd_buf_u8(&b, 0);
    vd_buf_le(&b, 37, 4);
    for (size_t i = 0; i < 24; i++)
        vd_buf_u8(&b, 0);
    vd_buf_le(&b, 2, 4);
    vd_buf_le(&b, 0xC, 2);
    vd_buf_le(&b, 48, 2);
    vd_buf_le(&b, 0x12, 2);
    vd_buf_le(&b, 32, 2);
    vd_buf_u8(&b, 0);
    return b;
}

static void put_digest(vd_buf *b, unsigned alg, size_t n, uint8_t fill)
{
    vd_buf_le(b, alg, 2);
    for (size_t i = 0; i < n; i++)
        vd_buf_u8(b, fill);
}

static void put_data(vd_buf *b, vd_span data)
{
    vd_buf_le(b, data.n, 4);
    vd_buf_add(b, data);
}

static void put_head(vd_buf *b, uint32_t index, uint32_t type, uint32_t digests)
{
    vd_buf_le(b, index, 4);
    vd_buf_le(b, type, 4);
    vd_buf_le(b, digests, 4);
}

static void the_agents_log_without_ccel_is_read(void **state)
{
    (void)state;
    VD_AUTO_BUF b = begun();
    assert_int_equal(b.n, 69);
    put_head(&b, 4, 6, 1);
    put_digest(&b, 0xC, 48, 7);
    put_data(&b, VD_LIT("LEAA\x07\0\0\0a b {1}"));
    VD_AUTO(evl_free) struct evl_log *l = parsed(vd_buf_span(&b));
    assert_int_equal(l->n, 1);
    VD_AUTO_BUF json = vd_buf_of(4096);
    assert_ok(evl_json(l, &json, NULL));
    assert_non_null(strstr(vd_buf_cstr(&json), "\"data\":{\"content\":\"{1}\",\"domain\":\"a\","
                                               "\"operation\":\"b\"},\"string\":\"a b {1}\","
                                               "\"unicode_name\":\"AAEL\""));
}

static void events_that_no_replay_covers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t index;
        uint32_t type;
        unsigned n;
        unsigned alg[3];
        uint8_t fill;
        vd_code want;
        size_t shown;
    } cases[] = {
        { "plain", 1, 4, 1, { 0xC }, 1, VD_E_OK, 1 },
        { "register 4", 4, 4, 1, { 0xC }, 1, VD_E_OK, 1 },
        { "kernel in register 0", 0, 0x80000003, 1, { 0xC }, 1, VD_E_EVENT_LOG, 0 },
        { "kernel in register 5", 5, 0x80000003, 1, { 0xC }, 1, VD_E_EVENT_LOG, 0 },
        { "register 4294967295", 0xFFFFFFFF, 4, 1, { 0xC }, 1, VD_E_EVENT_LOG, 0 },
        { "another digest only", 2, 0x80000003, 1, { 0x12 }, 1, VD_E_EVENT_LOG, 0 },
        { "another digest beside it", 2, 4, 2, { 0xC, 0x12 }, 1, VD_E_EVENT_LOG, 0 },
        { "two digests of ours", 2, 4, 2, { 0xC, 0xC }, 1, VD_E_EVENT_LOG, 0 },
        { "no digest", 2, 4, 0, { 0 }, 1, VD_E_EVENT_LOG, 0 },
        { "an algorithm not declared", 2, 4, 1, { 0xD }, 1, VD_E_BAD_EVIDENCE, 0 },
        { "an algorithm that is none", 2, 4, 1, { 0x7 }, 1, VD_E_BAD_EVIDENCE, 0 },
        { "no action, register 0, zero", 0, 3, 1, { 0xC }, 0, VD_E_OK, 1 },
        { "no action with a digest", 0, 3, 1, { 0xC }, 1, VD_E_OK, 0 },
        { "no action in register 1", 1, 3, 1, { 0xC }, 0, VD_E_OK, 0 },
        { "no action, other algorithm", 0, 3, 1, { 0x12 }, 0, VD_E_OK, 0 },
        { "no action without digest", 9, 3, 0, { 0 }, 0, VD_E_OK, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF b = begun();
        put_head(&b, cases[i].index, cases[i].type, cases[i].n);
        for (unsigned k = 0; k < cases[i].n; k++)
            put_digest(&b, cases[i].alg[k],
                       cases[i].alg[k] == 0xC   ? 48
                       : cases[i].alg[k] == 0xD ? 64
                                                : 32,
                       cases[i].fill);
        put_data(&b, VD_LIT("x"));
        VD_AUTO(evl_free) struct evl_log *l = NULL;
        vd_rc_ rc = evl_parse(vd_buf_span(&b), VD_SHA384, &l, NULL);
        if (rc.code != cases[i].want || (l ? l->n : 0) != cases[i].shown)
            fail_msg("%s: code %d", cases[i].name, (int)rc.code);
        uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX];
        if (l && cases[i].type == 3) { /* never extended */
            assert_ok(evl_replay(l, reg, NULL));
            assert_true(vd_span_zero(vd_span_of(reg, sizeof reg)));
        }
    }
}

static void broken_framing_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } cases[] = {
        { "first record is of another type", 4, 4 },
        { "first record longer than its content", 28, 38 },
        { "first record shorter than its content", 28, 36 },
        { "first record beyond the log", 31, 0x7F },
        { "no algorithms", 56, 0 },
        { "more algorithms than there are", 56, 3 },
        { "very many algorithms", 59, 0xFF },
        { "a size that is not SHA-384's", 62, 32 },
        { "an algorithm of size zero", 60, 0x10 },
        { "vendor bytes beyond the record", 68, 1 },
        { "digests beyond the log", 77, 0xFF },
        { "very many digests", 80, 0xFF },
        { "data beyond the log", 131, 2 },
        { "data of four gigabytes", 134, 0xFF },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF b = begun();
        put_head(&b, 1, 4, 1);
        put_digest(&b, 0xC, 48, 1);
        put_data(&b, VD_LIT("x"));
        assert_int_equal(b.n, 136);
        b.p[cases[i].at] = cases[i].value;
        VD_AUTO(evl_free) struct evl_log *l = NULL;
        vd_rc_ rc = evl_parse(vd_buf_span(&b), VD_SHA384, &l, NULL);
        if (rc.code != VD_E_BAD_EVIDENCE)
            fail_msg("%s: code %d", cases[i].name, (int)rc.code);
    }
}

static void ceilings_hold(void **state)
{
    (void)state;
    VD_AUTO_BUF big = vd_buf_of(EVL_BYTES_MAX + 1);
    memset(vd_buf_extend(&big, EVL_BYTES_MAX + 1), 0, EVL_BYTES_MAX + 1);
    VD_AUTO(evl_free) struct evl_log *l = NULL;
    assert_rc(VD_E_BAD_EVIDENCE, evl_parse(vd_buf_span(&big), VD_SHA384, &l, NULL));

    VD_AUTO_BUF b = begun();
    put_head(&b, 1, 4, 1);
    put_digest(&b, 0xC, 48, 1);
    vd_buf_le(&b, EVL_USED_MAX, 4);
    memset(vd_buf_extend(&b, EVL_USED_MAX), 'x', EVL_USED_MAX);
    assert_rc(VD_E_BAD_EVIDENCE, evl_parse(vd_buf_span(&b), VD_SHA384, &l, NULL));

    VD_AUTO_BUF many = begun();
    for (size_t i = 0; i <= EVL_EVENTS_MAX; i++) {
        put_head(&many, 0, 3, 1);
        put_digest(&many, 0xC, 48, 0);
        put_data(&many, VD_SPAN_NONE);
    }
    assert_rc(VD_E_BAD_EVIDENCE, evl_parse(vd_buf_span(&many), VD_SHA384, &l, NULL));
}

static void what_follows_the_end_is_not_looked_at(void **state)
{
    (void)state;
    for (int ones = 0; ones < 2; ones++) {
        VD_AUTO_BUF b = begun();
        put_head(&b, 1, 4, 1);
        put_digest(&b, 0xC, 48, 1);
        put_data(&b, VD_LIT("x"));
        size_t used = b.n;
        for (size_t i = 0; i < 8; i++)
            vd_buf_u8(&b, ones ? 0xFF : 0);
        put_head(&b, 5, 4, 1); /* would be refused */
        VD_AUTO(evl_free) struct evl_log *l = parsed(vd_buf_span(&b));
        assert_int_equal(l->n, 1);
        assert_int_equal(l->used.n, used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine_logs_replay_to_the_known_registers),
        cmocka_unit_test(genuine_logs_become_the_claims_of_trustee),
        cmocka_unit_test(a_log_of_sm3_digests_is_read_with_that_algorithm_only),
        cmocka_unit_test(the_quote_of_a_guest_confirms_its_log),
        cmocka_unit_test(a_log_cut_anywhere_is_refused_or_replays_to_something_else),
        cmocka_unit_test(a_flipped_bit_never_leaves_registers_and_events_as_they_were),
        cmocka_unit_test(the_agents_log_without_ccel_is_read),
        cmocka_unit_test(events_that_no_replay_covers_are_refused),
        cmocka_unit_test(broken_framing_is_refused),
        cmocka_unit_test(ceilings_hold),
        cmocka_unit_test(what_follows_the_end_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
