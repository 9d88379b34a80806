/* admin keygen, admin token, status. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shared/base/file.h"

static vd_rc save_pair(const struct vd_key *key, const char *path, vd_err *err)
{
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO_BUF public_pem = vd_buf_of(8192);
    VD_AUTO_BUF public_path = vd_buf_of(4096);
    vd_buf_printf(&public_path, "%s.pub", path);
    const char *public_name = vd_buf_cstr(&public_path);
    if (!public_name)
        return vd_fail(err, VD_E_FILE, "%s: name too long", path);
    VD_TRY(vd_key_to_pem_private(key, false, &pem, err));
    VD_TRY(vd_key_to_pem_public(key, &public_pem, err));
    VD_TRY(vd_file_create(path, vd_secret_span(&pem), err));
    return vd_file_create(public_name, vd_buf_span(&public_pem), err);
}

int cli_admin_keygen(const struct cli_args *a)
{
    vd_err err = { 0 };
    const char *type = a->type ? a->type : "ed25519";
    bool ed = strcmp(type, "ed25519") == 0;
    if (!a->out || (!ed && strcmp(type, "p256") != 0))
        return cli_fail(VD_EXIT_USAGE,
                        a->out ? "--type is ed25519 or p256" : "where to? add --out FILE");
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    vd_rc_ rc = vd_key_generate(ed ? VD_KTY_ED25519 : VD_KTY_P256, 0, &key, &err);
    if (rc.code == VD_E_OK)
        rc = save_pair(key, a->out, &err);
    if (rc.code != VD_E_OK)
        return cli_fail_err(&err);
    cli_note(
        a,
        "private key: %s (keep it), public key: %s.pub (public_key_file of an [[admin.identity]])",
        a->out, a->out);
    return VD_EXIT_OK;
}

int cli_admin_token(const struct cli_args *a)
{
    vd_err err = { 0 };
    if (!a->key || !a->role)
        return cli_fail(VD_EXIT_USAGE, "needed: --key FILE and --role ROLE");
    VD_AUTO_SECRET pem = { 0 };
    VD_AUTO(vd_key_unref) struct vd_key *key = NULL;
    VD_AUTO_BUF_WIPED token = vd_buf_of(16384);
    int64_t life = VD_ADMIN_TOKEN_SECONDS;
    struct vd_clock clock = vd_clock_real();
    vd_rc_ rc = vd_secret_read_file(a->key, 65536, true, &pem, &err);
    if (rc.code == VD_E_OK)
        rc = vd_key_from_pem(vd_secret_span(&pem), &key, &err);
    if (rc.code == VD_E_OK && a->ttl)
        rc = cli_duration(a->ttl, &life, &err);
    const struct vd_token_spec spec = { .role = a->role,
                                        .audience = a->audience.n ? a->audience.item[0] : NULL,
                                        .issuer = a->iss,
                                        .now = vd_clock_s(&clock),
                                        .life = (uint64_t)life };
    if (rc.code == VD_E_OK)
        rc = vd_auth_token(key, &spec, &token, &err);
    vd_buf_u8(&token, '\n');
    if (rc.code == VD_E_OK)
        rc = cli_save(a->out, vd_buf_span(&token), &err);
    return rc.code == VD_E_OK ? VD_EXIT_OK : cli_fail_err(&err);
}

int cli_status(const struct cli_args *a)
{
    vd_err err = { 0 };
    CLI_AUTO_API api = { 0 };
    if (cli_api_open(a, NULL, &api, &err).code != VD_E_OK)
        return cli_fail_err(&err);
    return cli_api_show(a, &api, "/status");
}
