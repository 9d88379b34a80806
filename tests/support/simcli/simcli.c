/* Common to the programs of the simulated guests; see simcli.h. */
#include "tests/support/simcli/simcli.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/slurp.h"
#include "shared/codec/b64.h"
#include "shared/codec/json.h"

void sim_die(const char *what, const char *value)
{
    (void)fprintf(stderr, "%s: %s%s%s (%s --help)\n", program_invocation_short_name, what,
                  value ? ": " : "", value ? value : "", program_invocation_short_name);
    exit(1);
}

uint64_t sim_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    uint64_t v = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end)
        sim_die("not a number", text);
    return v;
}

void sim_hex_field(const char *text, uint8_t *to, size_t n)
{
    VD_AUTO_BUF b = vd_buf_of(4096);
    if (vd_hex_decode(vd_span_str(text), &b, NULL).code != VD_E_OK)
        sim_die("not hexadecimal", text);
    memset(to, 0, n);
    memcpy(to, b.p, b.n < n ? b.n : n);
}

size_t sim_digest(const char *name, vd_span in, uint8_t ret[64])
{
    static const struct {
        const char *name;
        const EVP_MD *(*md)(void);
    } rows[] = { { "sha256", EVP_sha256 }, { "sha384", EVP_sha384 }, { "sha512", EVP_sha512 } };
    unsigned n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(name, rows[i].name, strlen(rows[i].name)) == 0 &&
            EVP_Digest(in.p, in.n, ret, &n, rows[i].md(), NULL) != 1)
            sim_die("hashing failed", NULL);
    return n;
}

size_t sim_init_data(const char *path, uint8_t digest[64])
{
    VD_AUTO_BUF text = vd_buf_of(1u << 20);
    if (vd_file_read(path, 1u << 20, &text, NULL, NULL).code != VD_E_OK)
        sim_die("cannot be read", path);
    const char *name = strstr(vd_buf_cstr(&text), "algorithm");
    const char *alg = name ? strstr(name, "sha") : NULL;
    memset(digest, 0, 64);
    size_t n = alg ? sim_digest(alg, vd_buf_span(&text), digest) : 0;
    if (n == 0)
        sim_die("names no algorithm sha256, sha384 or sha512", path);
    return n;
}

void sim_read_request(uint8_t report_data[64])
{
    static char text[1u << 20];
    size_t n = fread(text, 1, sizeof text, stdin);
    VD_AUTO(vd_json_free) struct vd_json *doc = NULL;
    VD_AUTO_BUF data = vd_buf_of(4096);
    if (vd_json_parse(vd_span_of(text, n), VD_JSON_LIMITS(sizeof text), &doc, NULL).code !=
            VD_E_OK ||
        vd_jv_b64(vd_jv_get(vd_json_root(doc), "report_data"), VD_B64_URL, &data, NULL).code !=
            VD_E_OK ||
        data.n > 64)
        sim_die("standard input is no {tee, report_data, runtime_data} with report_data in "
                "base64url",
                NULL);
    memset(report_data, 0, 64);
    memcpy(report_data, data.p, data.n);
}

int sim_write(const char *path, vd_span bytes)
{
    FILE *f = path ? fopen(path, "wb") : stdout;
    if (!f || fwrite(bytes.p, 1, bytes.n, f) != bytes.n || fflush(f) != 0)
        sim_die("cannot be written", path ? path : "stdout");
    if (path)
        (void)fclose(f);
    return 0;
}
