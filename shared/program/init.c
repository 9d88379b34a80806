/* The verb init: makes state folder, root key, store and audit file, once. It refuses when any of
 * them is there, because a second root key would make the store unreadable; when it fails it takes
 * back what it made itself, and nothing else. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shared/base/file.h"
#include "shared/crypto/seal.h"
#include "shared/program/server_priv.h"

enum { MADE_MAX = 16 };

static const char *const beside_audit[] = { ".key", ".pub", ".head" };

struct made {
    const char *path[MADE_MAX];
    size_t n;
};

static void add_made(struct made *m, const char *path)
{
    if (m->n < MADE_MAX)
        m->path[m->n++] = path;
}

static vd_rc refuse_existing(const char *path, const char *key, vd_err *err)
{
    if (!vd_file_exists(path))
        return VD_OK;
    return vd_fail(err, VD_E_EXISTS,
                   "%s exists already; init makes a new server only: keep it and start with serve, "
                   "or set %s to another path",
                   path, key);
}

static vd_rc nothing_exists(const struct vd_program *p, const struct vd_config *c,
                            const struct vd_state_paths *s, vd_err *err)
{
    if (s->root_file)
        VD_TRY(refuse_existing(s->root_file, "root_key.file", err));
    else
        VD_TRY(refuse_existing(s->salt, "store.path", err));
    VD_TRY(refuse_existing(s->store, "store.path", err));
    VD_TRY(refuse_existing(s->audit, "audit.path", err));
    for (size_t i = 0; i < sizeof beside_audit / sizeof beside_audit[0]; i++) {
        VD_AUTO_BUF path = vd_buf_of(8192);
        vd_buf_printf(&path, "%s%s", s->audit, beside_audit[i]);
        VD_TRY(vd_buf_check(&path, err));
        VD_TRY(refuse_existing(vd_buf_cstr(&path), "audit.path", err));
    }
    for (const char *const *k = p->state_keys; k && *k; k++)
        if (vd_config_str(c, *k))
            VD_TRY(refuse_existing(vd_config_str(c, *k), *k, err));
    return VD_OK;
}

/* The folder of a file and those above it, owner only; existing ones are left as they are. */
static vd_rc make_folder(const char *file, vd_err *err)
{
    VD_AUTO(free) char *path = strdup(file);
    if (!path)
        return vd_fail(err, VD_E_NOMEM, "%s", file);
    for (char *s = path + 1; *s; s++) {
        if (*s != '/')
            continue;
        *s = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return vd_fail(err, VD_E_FILE,
                           "%s: %s; make it, or set other paths in the configuration", path,
                           strerror(errno));
        *s = '/';
    }
    return VD_OK;
}

static vd_rc make_folders(const struct vd_program *p, const struct vd_config *c,
                          const struct vd_state_paths *s, vd_err *err)
{
    if (s->root_file)
        VD_TRY(make_folder(s->root_file, err));
    VD_TRY(make_folder(s->store, err));
    VD_TRY(make_folder(s->audit, err));
    for (const char *const *k = p->state_keys; k && *k; k++)
        if (vd_config_str(c, *k))
            VD_TRY(make_folder(vd_config_str(c, *k), err));
    return VD_OK;
}

static vd_rc make_root(const struct vd_state_paths *s, struct made *m, vd_err *err)
{
    if (s->root_file)
        VD_TRY(vd_root_key_create(s->root_file, err));
    else
        VD_TRY(vd_root_salt_create(s->salt, err));
    add_made(m, s->root_file ? s->root_file : s->salt);
    return VD_OK;
}

static vd_rc make_state(struct vd_server *s, const struct vd_state_paths *paths, struct made *m,
                        vd_err *err)
{
    VD_TRY(make_root(paths, m, err));
    VD_AUTO_SECRET root = { 0 };
    VD_TRY(vd_root_key_load(paths->root_file, paths->passphrase, paths->salt, &root, err));
    const struct vd_store_cfg store = { paths->store, s->program, root.p };
    VD_TRY(vd_store_create(&store, err));
    add_made(m, paths->store);
    VD_AUTO(vd_key_unref) struct vd_key *signer = NULL;
    VD_TRY(vd_audit_key_create(paths->audit, root.p, err));
    add_made(m, paths->audit);
    VD_TRY(vd_audit_key_load(paths->audit, root.p, &signer, err));
    return vd_audit_create(paths->audit, s->program, signer, vd_clock_s(&s->clock), err);
}

static vd_rc head_exists(const struct vd_state_paths *paths, vd_err *err)
{
    VD_AUTO_BUF path = vd_buf_of(8192);
    vd_buf_printf(&path, "%s.head", paths->audit);
    VD_TRY(vd_buf_check(&path, err));
    if (!vd_file_exists(vd_buf_cstr(&path)))
        return vd_fail(err, VD_E_FILE, "%s: could not be written; free space on its disk",
                       vd_buf_cstr(&path));
    return VD_OK;
}

static vd_rc make_all(const struct vd_program *p, struct vd_server *s,
                      const struct vd_state_paths *paths, struct made *m, vd_err *err)
{
    VD_TRY(make_state(s, paths, m, err));
    VD_TRY(vd_server_state(s, paths, err));
    for (const char *const *k = p->state_keys; k && *k; k++)
        if (vd_config_str(s->config, *k))
            add_made(m, vd_config_str(s->config, *k));
    if (p->init)
        VD_TRY(p->init(s, err));
    /* From here on a head file that is missing was taken away. */
    VD_TRY(vd_audit_checkpoint(s->audit, err));
    return head_exists(paths, err);
}

/* With the files that store and audit keep beside theirs. */
static void take_back(const struct made *m)
{
    static const char *const beside[] = { "", "-wal", "-shm", ".reserve", ".key", ".pub", ".head" };
    for (size_t i = m->n; i > 0; i--)
        for (size_t k = 0; k < sizeof beside / sizeof beside[0]; k++) {
            VD_AUTO_BUF path = vd_buf_of(8192);
            vd_buf_printf(&path, "%s%s", m->path[i - 1], beside[k]);
            if (!path.bad)
                (void)unlink(vd_buf_cstr(&path));
        }
}

static void say_how_on(const struct vd_program *p, const struct vd_options *o,
                       const struct vd_state_paths *paths, const struct made *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (vd_file_exists(m->path[i]))
            (void)printf("made %s\n", m->path[i]);
    if (paths->root_file)
        (void)printf("keep a copy of %s in a safe place: without it the store cannot be opened\n",
                     paths->root_file);
    else
        (void)printf(
            "keep the passphrase and a copy of %s: without them the store cannot be opened\n",
            paths->salt);
    (void)printf("give %s.pub to whoever audits: checkpoints of the audit record verify with it\n",
                 paths->audit);
    (void)printf("start with: %s serve --config %s%s\n", p->name, o->config,
                 o->n_set ? ", and the same --set" : "");
}

vd_rc vd_init(const struct vd_program *p, const struct vd_options *o, vd_err *err)
{
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    VD_AUTO_STATE paths = { 0 };
    VD_TRY(vd_program_load(p, o, &c, err));
    VD_TRY(vd_state_paths_of(c, &paths, err));
    VD_TRY(nothing_exists(p, c, &paths, err));
    VD_TRY(make_folders(p, c, &paths, err));
    struct vd_server s = { 0 };
    struct made m = { 0 };
    vd_rc_ rc = vd_server_begin(p, c, &s, err);
    if (rc.code == VD_E_OK)
        rc = make_all(p, &s, &paths, &m, err);
    vd_server_end(&s);
    if (rc.code != VD_E_OK)
        take_back(&m);
    else
        say_how_on(p, o, &paths, &m);
    return rc;
}
