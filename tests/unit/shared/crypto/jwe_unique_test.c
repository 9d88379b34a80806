/* Many seals of one secret to one key: no IV, no ephemeral key and no wrapped key twice. 3,000, or
 * a million when VD_LONG is set. */
#include "tests/support/support.h"

#include <stdlib.h>

#include "shared/base/secret.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"
#include "shared/crypto/jose.h"

enum { SEEN = 16 }; /* bytes kept of each: a chance of 2^-89 that two of a million agree */

static int by_bytes(const void *a, const void *b)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < SEEN; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static void keep(vd_jv value, uint8_t *to)
{
    VD_AUTO_BUF bytes = vd_buf_of(1024);
    assert_ok(vd_jv_b64(value, VD_B64_URL, &bytes, NULL));
    assert_true(bytes.n >= 12);
    memcpy(to, bytes.p, bytes.n < SEEN ? bytes.n : SEEN);
}

static void look_at(const vd_buf *jwe, uint8_t *iv, uint8_t *wrapped, uint8_t *epk)
{
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO(vd_json_free) struct vd_json *head = NULL;
    VD_AUTO_BUF text = vd_buf_of(4096);
    assert_ok(vd_json_parse(vd_buf_span(jwe), VD_JSON_LIMITS(jwe->n), &doc, NULL));
    vd_jv root = vd_json_root(doc);
    keep(vd_jv_get(root, "iv"), iv);
    keep(vd_jv_get(root, "encrypted_key"), wrapped);
    assert_ok(vd_jv_b64(vd_jv_get(root, "protected"), VD_B64_URL, &text, NULL));
    assert_ok(vd_json_parse(vd_buf_span(&text), VD_JSON_LIMITS(text.n), &head, NULL));
    keep(vd_jv_pointer(vd_json_root(head), "/epk/x"), epk);
}

static void no_seal_repeats_anything_of_another(void **state)
{
    (void)state;
    const char *wanted = getenv("VD_LONG");
    size_t n = wanted && *wanted == '1' ? 1000000 : 3000;
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    uint8_t *part[3];
    for (size_t i = 0; i < 3; i++)
        assert_non_null(part[i] = calloc(n, SEEN));
    assert_ok(vd_key_generate(VD_KTY_P256, 0, &key, NULL));
    VD_AUTO_BUF out = vd_buf_of(4096);
    for (size_t i = 0; i < n; i++) {
        vd_buf_reset(&out);
        assert_ok(vd_jwe_seal(key, NULL, VD_LIT("the same secret"), &out, NULL));
        look_at(&out, part[0] + i * SEEN, part[1] + i * SEEN, part[2] + i * SEEN);
    }
    for (size_t k = 0; k < 3; k++) {
        qsort(part[k], n, SEEN, by_bytes);
        for (size_t i = 1; i < n; i++)
            assert_int_not_equal(by_bytes(part[k] + (i - 1) * SEEN, part[k] + i * SEEN), 0);
        free(part[k]);
    }
    print_message("seals: %zu, no IV, wrapped key or ephemeral key twice\n", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_seal_repeats_anything_of_another) };
    if (vd_base_init(NULL).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
