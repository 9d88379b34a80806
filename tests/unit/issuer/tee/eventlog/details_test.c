/* What events say, type by type: texts, variables, device paths, and what cannot be read. The
 * table's claims were derived by hand from the structures and Trustee's documented forms. */
#include "tests/support/support.h"

#include "issuer/tee/eventlog/eventlog_priv.h"
#include "shared/codec/b64.h"

#define TAG 6u
#define FLAGS 0xAu
#define IPL 0xDu
#define BOOT 0x80000002u
#define IMAGE 0x80000003u
#define ACTION 0x80000007u
#define BLOB2 0x8000000Au

/* 24 bytes of an image's place, then the length of its device path */
#define END "7fff0400"

static const struct {
    const char *name;
    uint32_t type;
    const char *data; /* hexadecimal */
    const char *want;
} cases[] = {
    { "action", ACTION, "45786974", "{\"string\":\"Exit\"}" },
    { "action with a quote", ACTION, "2222", "{\"string\":\"\\\"\\\"\"}" },
    { "action that is no UTF-8", ACTION, "ff", "{}" },
    { "empty action", ACTION, "", "{\"string\":\"\"}" },
    { "post code", 1, "41", "{\"string\":\"A\"}" },
    { "ACPI action", 5, "41", "{\"string\":\"A\"}" },
    { "compact hash", 0xC, "41", "{\"string\":\"A\"}" },
    { "omit boot devices", 0x12, "41", "{\"string\":\"A\"}" },
    { "separator", 4, "00000000", "{}" },
    { "boot services driver", 0x80000004, "41", "{}" },
    { "unknown type", 0x12345678, "41", "{}" },
    { "tag", TAG, "ed223b8f0300000041004200", "{\"string\":\"AB\"}" },
    { "tag of nothing", TAG, "ed223b8f00000000", "{\"string\":\"\"}" },
    { "tag longer than its event", TAG, "ed223b8f0400000041", "{}" },
    { "tag without a length", TAG, "ed223b8f0000", "{}" },
    { "tag that is no UTF-8", TAG, "ed223b8f0200000041ff", "{\"string\":\"A\xEF\xBF\xBD\"}" },
    { "agent, JSON", TAG, "4c4541410b00000061206220 7b2278223a317d",
      "{\"data\":{\"content\":{\"x\":1},\"domain\":\"a\",\"operation\":\"b\"},"
      "\"string\":\"a b {\\\"x\\\":1}\",\"unicode_name\":\"AAEL\"}" },
    { "agent, a repeated name is no JSON", TAG,
      "4c454141 11000000 61206220 7b2278223a312c2278223a327d",
      "{\"data\":{\"content\":\"{\\\"x\\\":1,\\\"x\\\":2}\",\"domain\":\"a\",\"operation\":\"b\"},"
      "\"string\":\"a b {\\\"x\\\":1,\\\"x\\\":2}\",\"unicode_name\":\"AAEL\"}" },
    { "agent, content with blanks", TAG, "4c454141 07000000 61206220632064",
      "{\"data\":{\"content\":\"c d\",\"domain\":\"a\",\"operation\":\"b\"},"
      "\"string\":\"a b c d\",\"unicode_name\":\"AAEL\"}" },
    { "agent, one word", TAG, "4c454141 01000000 61",
      "{\"string\":\"a\",\"unicode_name\":\"AAEL\"}" },
    { "agent, two words", TAG, "4c454141 03000000 612062",
      "{\"string\":\"a b\",\"unicode_name\":\"AAEL\"}" },
    { "flags", FLAGS, "41 10 42 00 0a c285 c3a4", "{\"string\":\"A B\xC3\xA4\"}" },
    { "flags that are no UTF-8", FLAGS, "41ff", "{\"string\":\"\"}" },
    { "boot loader", IPL, "4d6f6b00ff", "{\"string\":\"Mok\"}" },
    { "boot loader, no NUL", IPL, "4d6f", "{\"string\":\"Mo\"}" },
    { "boot loader, no UTF-8", IPL, "ff4100", "{\"string\":\"ff4100\"}" },
    { "boot loader, one byte", IPL, "41", "{}" },
    { "boot loader, UTF-16", IPL, "2e006c0069000000", "{\"string\":\"li\"}" },
    { "boot loader, UTF-16 of nothing", IPL, "2e000000", "{\"string\":\"\"}" },
    { "boot loader, prefix only", IPL, "2e00", "{}" },
    { "boot loader, odd UTF-16", IPL, "2e006c0000", "{}" },
    { "boot loader, lone surrogate", IPL, "2e0000d80000", "{\"string\":\"\xEF\xBF\xBD\"}" },
    { "blob", BLOB2, "044676213f", "{\"string\":\"Fv!\"}" },
    { "NULs are left out, readers refuse them", BLOB2, "0446007600", "{\"string\":\"Fv\"}" },
    { "variable, a NUL in its name", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0200000000000000 0000000000000000 50000000",
      "{\"unicode_name\":\"P\",\"unicode_name_length\":2,\"variable_data\":\"\","
      "\"variable_data_length\":0,\"variable_name\":\"61dfe48b-ca93-d211-aa0d-00e098032b8c\"}" },
    { "blob of nothing", BLOB2, "01", "{\"string\":\"\"}" },
    { "blob of length zero", BLOB2, "00", "{}" },
    { "blob beyond its event", BLOB2, "044676", "{}" },
    { "empty blob", BLOB2, "", "{}" },
    { "variable", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0200000000000000 0200000000000000 50004b00 0102",
      "{\"unicode_name\":\"PK\",\"unicode_name_length\":2,\"variable_data\":\"AQI=\","
      "\"variable_data_length\":2,\"variable_name\":\"61dfe48b-ca93-d211-aa0d-00e098032b8c\"}" },
    { "variable of nothing", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0000000000000000 0000000000000000",
      "{\"unicode_name\":\"\",\"unicode_name_length\":0,\"variable_data\":\"\","
      "\"variable_data_length\":0,\"variable_name\":\"61dfe48b-ca93-d211-aa0d-00e098032b8c\"}" },
    { "variable, name beyond its event", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0100000000000080 0000000000000000 5000", "{}" },
    { "variable, value beyond its event", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0100000000000000 ffffffffffffffff 5000", "{}" },
    { "variable, lone surrogate in its name", BOOT,
      "61dfe48bca93d211aa0d00e098032b8c 0100000000000000 0000000000000000 00dc", "{}" },
    { "variable cut in its GUID", BOOT, "61dfe48b", "{}" },
    { "image without a path", IMAGE, "", "{}" },
    { "image, path of length zero", IMAGE,
      "000000000000000000000000000000000000000000000000 0000000000000000", "{}" },
    { "image, path of three bytes", IMAGE,
      "000000000000000000000000000000000000000000000000 0300000000000000 7fff04", "{}" },
    { "image, path beyond its event", IMAGE,
      "000000000000000000000000000000000000000000000000 ffffffffffffffff 7fff0400", "{}" },
    { "image, a node", IMAGE,
      "000000000000000000000000000000000000000000000000 0a00000000000000 010106000104" END,
      "{\"device_paths\":[\"Pci(1,4)\"]}" },
};

static vd_buf unhex(const char *text)
{
    VD_AUTO_BUF digits = vd_buf_of(4096);
    for (; *text; text++)
        if (*text != ' ')
            vd_buf_u8(&digits, (uint8_t)*text);
    vd_buf b = vd_buf_of(4096);
    assert_ok(vd_hex_decode(vd_buf_span(&digits), &b, NULL));
    return b;
}

static void events_are_described_by_their_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        VD_AUTO_BUF data = unhex(cases[i].data);
        vd_span guarded = vd_test_guarded(vd_buf_span(&data));
        struct evl_event e = { .index = 1, .type = cases[i].type, .data = guarded };
        VD_AUTO_BUF out = vd_buf_of(8192);
        VD_AUTO_BUF scratch = vd_buf_of(8192);
        vd_jw w = vd_jw_of(&out);
        evl_details(&e, &w, &scratch);
        if (!vd_span_eq_str(vd_buf_span(&out), cases[i].want))
            fail_msg("%s: got %s, wanted %s", cases[i].name, vd_buf_cstr(&out), cases[i].want);
        VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&out), VD_JSON_LIMITS(8192), &doc, NULL));
        vd_test_guarded_free(guarded);
    }
    print_message("event details: %zu cases\n", sizeof cases / sizeof cases[0]);
}

/* UEFI nodes; texts as in Trustee's claims. */
static const struct {
    const char *name;
    const char *node;
    const char *want;
} nodes[] = {
    { "PCI", "01010600 0104", "Pci(1,4)" },
    { "PCI, short", "01010500 01", "Path(1,1,01)" },
    { "another kind of hardware", "01020600 0104", "Path(1,2,0104)" },
    { "ACPI", "02010c00 d041030a 02000000", "ACPI(PNP0A03,2)" },
    { "ACPI, short", "02010800 d041030a", "Path(2,1,d041030a)" },
    { "USB", "03050600 0203", "USB(2,3)" },
    { "MAC", "030b2500 001320f5fa770000000000000000000000000000000000000000000000000000 01",
      "Mac(001320F5FA77,0x01)" },
    { "MAC, all zero",
      "030b2500 0000000000000000000000000000000000000000000000000000000000000000 06",
      "Mac(,0x06)" },
    { "MAC that ends in a zero digit",
      "030b2500 001320f5fa700000000000000000000000000000000000000000000000000000 01",
      "Mac(001320F5FA7,0x01)" },
    { "MAC, without its type",
      "030b2400 001320f5fa770000000000000000000000000000000000000000000000000000",
      "Path(3,11,001320f5fa770000000000000000000000000000000000000000000000000000)" },
    { "IPv4", "030c1b00 0100a8c06400a8c00000bc0c0600010000000000000000",
      "IPv4(192.168.0.100,TCP,Static,192.168.0.1)" },
    { "IPv4 with gateway", "030c1b00 0100a8c06400a8c00000bc0c1100000100000002000000",
      "IPv4(192.168.0.100,UDP,DHCP,192.168.0.1,1,2)" },
    { "IPv4, short", "030c0600 0100", "Path(3,12,0100)" },
    { "Fibre", "03151400 00010203040506070001020304050607",
      "FibreEx(0x0001020304050607,0x0001020304050607)" },
    { "NVMe", "03170800 01000000", "Path(3,23,01000000)" },
    { "GPT partition",
      "04012a00 0f0000000028000000000000005003000000000 05e27f1007553d5439eb5de2add4c9932 0202",
      "HD(15,GPT,00F1275E-5375-43D5-9EB5-DE2ADD4C9932,0x2800,0x35000)" },
    { "MBR, no partition",
      "04012a00 0000000000000000000000000000000000000000 00000000000000000000000043120 2a0 0101",
      "HD(0,MBR,0x00000000)" },
    { "MBR partition",
      "04012a00 01000000000800000000000000e02e0000000000 431202a000000000431202a000000000 0101",
      "HD(1,MBR,0xa0021243,0x800,0x2ee000)" },
    { "partition of another format", "04010600 0102", "Path(4,1,0102)" },
    { "vendor's medium", "04031400 72f728144ab61e44b8c39ebdd7f893c7",
      "VenMedia(1428F772-B64A-441E-B8C3-9EBDD7F893C7,)" },
    { "vendor's medium with data", "04031600 72f728144ab61e44b8c39ebdd7f893c7 0aff",
      "VenMedia(1428F772-B64A-441E-B8C3-9EBDD7F893C7,0aff)" },
    { "file", "04041200 6b00650072006e0065006c000000", "File(kernel)" },
    { "file of nothing", "04040600 0000", "File()" },
    { "file, a NUL inside", "04040a00 6b000000 0000", "File(k)" },
    { "file, odd", "04040500 6b", "Path(4,4,6b)" },
    { "file, empty", "04040400", "Path(4,4,)" },
    { "file, a pair of surrogates", "04040a00 3dd800de 0000", "File(\xF0\x9F\x98\x80)" },
    { "BIOS boot", "05010900 8000 0000 41", "BBS(DEV,A,0)" },
    { "BIOS boot of a number", "05010800 f0ff 0100", "BBS(65520,,1)" },
    { "BIOS boot, USB", "05010b00 0500 0000 414200", "BBS(USB,AB,0)" },
    { "BIOS boot, no UTF-8", "05010900 0500 0000 ff", "Path(5,1,05000000ff)" },
    { "another type", "06010600 0000", "Path(6,1,0000)" },
};

static void device_paths_are_spelled_as_in_the_claims(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        VD_AUTO_BUF data = unhex(nodes[i].node);
        vd_span guarded = vd_test_guarded(vd_buf_span(&data));
        VD_AUTO_BUF out = vd_buf_of(8192);
        VD_AUTO_BUF scratch = vd_buf_of(8192);
        vd_jw w = vd_jw_of(&out);
        vd_jw_obj(&w);
        evl_device_paths(guarded, &w, &scratch);
        vd_jw_end(&w);
        VD_AUTO_BUF want = vd_buf_of(8192);
        vd_buf_printf(&want, "{\"device_paths\":[\"%s\"]}", nodes[i].want);
        if (!vd_span_eq(vd_buf_span(&out), vd_buf_span(&want)))
            fail_msg("%s: got %s, wanted %s", nodes[i].name, vd_buf_cstr(&out), nodes[i].want);
        vd_test_guarded_free(guarded);
    }
    print_message("device paths: %zu nodes\n", sizeof nodes / sizeof nodes[0]);
}

static void a_path_of_broken_nodes_is_not_shown(void **state)
{
    (void)state;
    static const char *const broken[] = { "",
                                          "01",
                                          "010106",
                                          "01010300",
                                          "010100",
                                          "010106000104 0101",
                                          "01010700 0104",
                                          "010106000104 01010000" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        VD_AUTO_BUF data = unhex(broken[i]);
        vd_span guarded = vd_test_guarded(vd_buf_span(&data));
        VD_AUTO_BUF out = vd_buf_of(8192);
        VD_AUTO_BUF scratch = vd_buf_of(8192);
        vd_jw w = vd_jw_of(&out);
        vd_jw_obj(&w);
        evl_device_paths(guarded, &w, &scratch);
        vd_jw_end(&w);
        assert_span_str(vd_buf_span(&out), "{}");
        vd_test_guarded_free(guarded);
    }
}

static void types_have_the_names_of_the_specification(void **state)
{
    (void)state;
    assert_string_equal(evl_type_name(0), "EV_PREBOOT_CERT");
    assert_string_equal(evl_type_name(0x12), "EV_OMIT_BOOT_DEVICE_EVENTS");
    assert_string_equal(evl_type_name(0x800000E0), "EV_EFI_VARIABLE_AUTHORITY");
    assert_null(evl_type_name(0x13));
    assert_null(evl_type_name(0x8000000D));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_described_by_their_type),
        cmocka_unit_test(device_paths_are_spelled_as_in_the_claims),
        cmocka_unit_test(a_path_of_broken_nodes_is_not_shown),
        cmocka_unit_test(types_have_the_names_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
