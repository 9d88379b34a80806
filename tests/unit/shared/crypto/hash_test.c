/* Digests: known answers, names, and the report-data vectors of the KBS protocol. */
#include "tests/unit/shared/crypto/suite.h"

#include "shared/crypto/hash.h"

static void assert_digest(enum vd_hash alg, vd_span in, const char *hex)
{
    uint8_t d[VD_HASH_BYTES_MAX];
    vd_err err = { 0 };
    assert_ok(vd_hash_of(alg, in, d, &err));
    VD_AUTO_BUF b = vd_buf_of(256);
    vd_hex_encode(vd_span_of(d, vd_hash_size(alg)), &b);
    assert_span_str(vd_buf_span(&b), hex);
}

static void digests_of_abc_are_the_published_ones(void **state)
{
    (void)state;
    vd_span abc = VD_LIT("abc");
    assert_digest(VD_SHA256, abc,
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(VD_SHA384, abc,
                  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc23"
                  "58baeca134c825a7");
    assert_digest(VD_SHA512, abc,
                  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    assert_digest(VD_SM3, abc, "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    assert_digest(VD_SHA256, VD_SPAN_NONE,
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void parts_hash_as_if_they_were_one(void **state)
{
    (void)state;
    const vd_span parts[] = { VD_LIT("a"), VD_SPAN_NONE, VD_LIT("bc") };
    uint8_t one[VD_HASH_BYTES_MAX], many[VD_HASH_BYTES_MAX];
    vd_err err = { 0 };
    assert_ok(vd_hash_of(VD_SHA384, VD_LIT("abc"), one, &err));
    assert_ok(vd_hash_parts(VD_SHA384, parts, 3, many, &err));
    assert_memory_equal(one, many, 48);
}

static void a_prefix_and_the_whole_are_hashed_in_one_pass(void **state)
{
    (void)state;
    uint8_t text[200];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    for (size_t n = 0; n <= sizeof text; n++) {
        uint8_t part[32], all[32], want[32];
        vd_span in = vd_span_of(text, sizeof text);
        assert_ok(vd_hash_prefix(VD_SHA256, in, n, part, all, NULL));
        assert_ok(vd_hash_of(VD_SHA256, vd_span_part(in, 0, n), want, NULL));
        assert_memory_equal(part, want, 32);
        assert_ok(vd_hash_of(VD_SHA256, in, want, NULL));
        assert_memory_equal(all, want, 32);
    }
}

static void names_are_taken_in_any_case_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int want;
    } cases[] = {
        { "sha256", VD_SHA256 }, { "SHA384", VD_SHA384 }, { "Sha512", VD_SHA512 },
        { "sm3", VD_SM3 },       { "SM3", VD_SM3 },       { "", -1 },
        { "sha", -1 },           { "sha2567", -1 },       { "sha-256", -1 },
        { "md5", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum vd_hash got = VD_HASH_MAX;
        vd_code code = vd_hash_by_name(vd_span_str(cases[i].name), &got, NULL).code;
        assert_int_equal(code, cases[i].want < 0 ? VD_E_SYNTAX : VD_E_OK);
        if (cases[i].want >= 0)
            assert_int_equal(got, cases[i].want);
    }
    enum vd_hash got = VD_HASH_MAX;
    assert_int_equal(vd_hash_by_name(VD_LIT("sha256\0"), &got, NULL).code, VD_E_SYNTAX);
}

/* Canonical JSON, then SHA-384: the vectors of the KBS protocol's report data. */
#define KEY1                                                                                       \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ\","     \
    "\"y\":\"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck\",\"alg\":\"ECDH-ES+A256KW\"}"
#define NONCE1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY2                                                                                       \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ECDH-ES+A256KW\","                                \
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":"                                 \
    "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}"
static const struct {
    const char *label;
    const char *json;
    const char *sha384;
} report_data[] = {
    { "device", "{\"nonce\":\"" NONCE1 "\",\"tee-pubkey\":" KEY1 "}",
      "aa29da4707a36a4cdb112f5ba622c8d08443b311fd3985eb197711c8fa3db695fbc4c0d05ec867f41e656490aee5"
      "120d" },
    { "primary", "{\"tee-pubkey\":" KEY1 ",\"nonce\":\"" NONCE1 "\",\"additional-evidence\":\"\"}",
      "d59c5ca13c55df86b2fc4ce983ae8f26d00a1082f3acf26d7b077c4a7a264e44b4b1f8cce97801cfba202e3197d0"
      "53ef" },
    { "primary with a device",
      "{\"nonce\":\"" NONCE1 "\",\"tee-pubkey\":" KEY1
      ",\"additional-evidence\":\"{\\\"sampledevice\\\":{\\\"svn\\\":\\\"2\\\",\\\"report_data\\\":"
      "\\\"QUJD\\\"}}\"}",
      "8527583dfaabc87209387a858cc49d012257befe91d20e896d9df726e63ccfc2d8aaebdc52243b01c5ec2abd3dc8"
      "1e9d" },
    { "nested", "{\"b\":1,\"a\":\"test\",\"c\":{\"d\":\"e\"}}",
      "e71ce8e70d814ba6639c3612ebee0ff1f76f650f8dbb5e47157e0f3f525cd22c4597480a186427c813ca941da788"
      "70c3" },
    { "client, primary",
      "{\"nonce\":\"bm9uY2U=\",\"tee-pubkey\":" KEY2 ",\"additional-evidence\":\"\"}",
      "ad02be48e8ba3bb7293e49a038563531fd9a6ea31a25a4d2c3b245946bb3bc1d67765a4b77343585b0e81ecd28d8"
      "44b5" },
    { "client, device", "{\"nonce\":\"bm9uY2U=\",\"tee-pubkey\":" KEY2 "}",
      "df9e14dd6e30f2e7442665b2279e08b5b17f19b0a64e24baedfd1fda7b110521cce1254fe52aa52c02a832c60845"
      "7ac0" },
    { "client, primary with a device",
      "{\"nonce\":\"bm9uY2U=\",\"tee-pubkey\":" KEY2
      ",\"additional-evidence\":\"{\\\"sampledevice\\\":{\\\"report_data\\\":"
      "\\\"354U3W4w8udEJmWyJ54ItbF/"
      "GbCmTiS67f0f2nsRBSHM4SVP5SqlLAKoMsYIRXrA\\\",\\\"svn\\\":\\\"2\\\"}}\"}",
      "f7be3936c84d7c3288c7495e858cfeec1254465daddb9c406831ac4326e92453224db56f0081d95b3372997ca5a6"
      "a45a" },
};

static void report_data_vectors_give_their_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof report_data / sizeof report_data[0]; i++) {
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        VD_AUTO_BUF canonical = vd_buf_of(65536);
        vd_span in = vd_span_str(report_data[i].json);
        vd_err err = { 0 };
        assert_ok(vd_json_parse(in, VD_JSON_LIMITS(in.n), &doc, &err));
        assert_ok(vd_json_canonical(vd_json_root(doc), &canonical, &err));
        print_message("%s\n", report_data[i].label);
        assert_digest(VD_SHA384, vd_buf_span(&canonical), report_data[i].sha384);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_of_abc_are_the_published_ones),
        cmocka_unit_test(parts_hash_as_if_they_were_one),
        cmocka_unit_test(a_prefix_and_the_whole_are_hashed_in_one_pass),
        cmocka_unit_test(names_are_taken_in_any_case_and_no_others),
        cmocka_unit_test(report_data_vectors_give_their_digests),
    };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
