/* vidimus attest, vidimus get: the guest's verbs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/base/file.h"

enum { PASSPORT_BYTES = 1 << 17 };

static vd_rc load_key(const char *path, struct vd_key **ret, vd_err *err)
{
    VD_AUTO_SECRET pem = { 0 };
    VD_TRY(vd_secret_read_file(path, 65536, true, &pem, err));
    VD_TRY(vd_key_from_pem(vd_secret_span(&pem), ret, err));
    if (!vd_key_private(*ret))
        return vd_fail(err, VD_E_SETTING, "%s: holds a public key only", path);
    return VD_OK;
}

/* The TEE key: read from --key if the file exists, else made (and kept there if --key was given).
 */
static vd_rc tee_key(const struct cli_args *a, struct vd_key **ret, vd_err *err)
{
    if (a->key && vd_file_exists(a->key))
        return load_key(a->key, ret, err);
    VD_TRY(vd_key_generate(VD_KTY_P256, 0, ret, err));
    if (!a->key)
        return VD_OK;
    VD_AUTO_SECRET pem = { 0 };
    VD_TRY(vd_key_to_pem_private(*ret, false, &pem, err));
    VD_TRY(vd_file_create(a->key, vd_secret_span(&pem), err));
    cli_note(a, "made a TEE key: %s", a->key);
    return VD_OK;
}

static vd_rc guest_of(const struct cli_args *a, const char *url, struct cli_guest *ret, vd_err *err)
{
    *ret = (struct cli_guest){ .url = url,
                               .tee = a->tee ? a->tee : "sample",
                               .attester = a->attester,
                               .init_data = a->init_data,
                               .audience = &a->audience };
    const struct vd_client_cfg cfg = { .ca_file = a->ca_file };
    return vd_client_new(&cfg, &ret->client, err);
}

static void guest_done(struct cli_guest *g)
{
    vd_client_free(g->client);
    vd_buf_done(&g->cookie);
}

static int print_passport(const struct cli_args *a, vd_span passport, vd_err *err)
{
    VD_AUTO_BUF b = vd_buf_of(PASSPORT_BYTES + 64);
    if (a->json) {
        vd_jw w = vd_jw_of(&b);
        vd_jw_obj(&w);
        vd_jw_kspan(&w, "passport", passport);
        vd_jw_end(&w);
    } else {
        vd_buf_add(&b, passport);
    }
    vd_buf_u8(&b, '\n');
    if (cli_save(a->out, vd_buf_span(&b), err).code != VD_E_OK)
        return cli_fail_err(err);
    return VD_EXIT_OK;
}

int cli_attest(const struct cli_args *a)
{
    vd_err err = { 0 };
    if (!a->issuer)
        return cli_fail(VD_EXIT_USAGE,
                        "where is the issuer? add --issuer URL or set VIDIMUS_ISSUER_URL");
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    if (tee_key(a, &key, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    if (!a->key)
        cli_note(a, "no --key FILE: the TEE key is forgotten at the end, so no secret can be "
                    "opened with this passport");
    struct cli_guest g = { 0 };
    VD_AUTO_BUF passport = vd_buf_of(PASSPORT_BYTES);
    vd_rc_ rc = guest_of(a, a->issuer, &g, &err);
    if (rc.code == VD_E_OK)
        rc = cli_guest_attest(&g, key, &passport, &err);
    guest_done(&g);
    return rc.code == VD_E_OK ? print_passport(a, vd_buf_span(&passport), &err)
                              : cli_fail_err(&err);
}

static int print_secret(const struct cli_args *a, vd_span secret, vd_err *err)
{
    if (cli_save(a->out, secret, err).code != VD_E_OK)
        return cli_fail_err(err);
    return VD_EXIT_OK;
}

/* A passport from --passport, from --issuer, or none: then the broker's own /attest gives the
 * cookie. */
static vd_rc obtain(const struct cli_args *a, const struct vd_key *key, struct cli_guest *broker,
                    vd_buf *passport, vd_err *err)
{
    if (a->passport) {
        VD_AUTO_BUF text = vd_buf_of(0);
        VD_TRY(cli_read(a->passport, PASSPORT_BYTES, &text, err));
        vd_buf_add(passport, cli_trim(vd_buf_span(&text)));
        return vd_buf_check(passport, err);
    }
    if (!a->issuer) {
        VD_AUTO_BUF unused = vd_buf_of(PASSPORT_BYTES);
        return cli_guest_attest(broker, key, &unused, err);
    }
    struct cli_guest issuer = { 0 };
    vd_rc_ rc = guest_of(a, a->issuer, &issuer, err);
    if (rc.code == VD_E_OK)
        rc = cli_guest_attest(&issuer, key, passport, err);
    guest_done(&issuer);
    return rc;
}

int cli_get(const struct cli_args *a)
{
    vd_err err = { 0 };
    if (!a->broker)
        return cli_fail(VD_EXIT_USAGE,
                        "where is the broker? add --broker URL or set VIDIMUS_BROKER_URL");
    if (a->passport && (!a->key || !vd_file_exists(a->key)))
        return cli_fail(VD_EXIT_USAGE,
                        "--passport needs --key FILE, the TEE key that the passport was made for");
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    if (tee_key(a, &key, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    struct cli_guest broker = { 0 };
    VD_AUTO_BUF passport = vd_buf_of(PASSPORT_BYTES);
    VD_AUTO_SECRET secret = { 0 };
    int exit_code = VD_EXIT_REMOTE;
    bool got = false;
    vd_rc_ rc = guest_of(a, a->broker, &broker, &err);
    if (rc.code == VD_E_OK)
        rc = obtain(a, key, &broker, &passport, &err);
    if (rc.code == VD_E_OK) {
        got = true;
        rc = cli_guest_get(&broker, vd_buf_span(&passport), a->arg[0], key, &secret, &exit_code,
                           &err);
    }
    guest_done(&broker);
    if (rc.code == VD_E_OK)
        return print_secret(a, vd_secret_span(&secret), &err);
    return got ? cli_fail(exit_code, "%s", err.msg) : cli_fail_err(&err);
}
