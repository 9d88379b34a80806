/* The verb serve: opens what init made, starts both planes, and waits for signals on the main
 * thread. Every failure before the ready line ends the process with one line that names the file
 * and the cure. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "shared/base/file.h"
#include "shared/crypto/seal.h"
#include "shared/program/server_priv.h"

/* ---- state ----------------------------------------------------------------------------------- */

vd_rc vd_state_paths_of(const struct vd_config *c, struct vd_state_paths *ret, vd_err *err)
{
    struct vd_state_paths s = { .store = vd_config_str(c, "store.path"),
                                .audit = vd_config_str(c, "audit.path") };
    s.passphrase = vd_config_str(c, "root_key.passphrase_file");
    if (s.passphrase && vd_config_is_set(c, "root_key.file"))
        return vd_fail(err, VD_E_CONFIG,
                       "root_key.file and root_key.passphrase_file are both set; keep one");
    s.root_file = s.passphrase ? NULL : vd_config_str(c, "root_key.file");
    VD_AUTO_BUF salt = vd_buf_of(8192);
    vd_buf_printf(&salt, "%s.salt", s.store);
    VD_TRY(vd_buf_check(&salt, err));
    s.salt = vd_strdup_span(vd_buf_span(&salt));
    if (!s.salt)
        return vd_fail(err, VD_E_NOMEM, "paths");
    *ret = s;
    return VD_OK;
}

void vd_state_paths_done(struct vd_state_paths *s)
{
    free(s->salt);
    *s = (struct vd_state_paths){ 0 };
}

static vd_rc must_exist(const struct vd_program *p, const struct vd_options *o, const char *path,
                        const char *key, vd_err *err)
{
    if (vd_file_exists(path))
        return VD_OK;
    return vd_fail(err, VD_E_FILE, "%s (%s) does not exist; run: %s init --config %s", path, key,
                   p->name, o->config);
}

vd_rc vd_state_check(const struct vd_program *p, const struct vd_options *o,
                     const struct vd_state_paths *s, vd_err *err)
{
    if (s->root_file)
        VD_TRY(must_exist(p, o, s->root_file, "root_key.file", err));
    else
        VD_TRY(must_exist(p, o, s->salt, "salt of the root key", err));
    VD_TRY(must_exist(p, o, s->store, "store.path", err));
    return must_exist(p, o, s->audit, "audit.path", err);
}

static enum vd_log_level level_of(const char *name)
{
    static const char *const names[VD_LOG_LEVEL_MAX] = { "debug", "info", "warn", "error" };
    for (int i = 0; i < VD_LOG_LEVEL_MAX; i++)
        if (strcmp(names[i], name) == 0)
            return (enum vd_log_level)i;
    return VD_LOG_INFO;
}

vd_rc vd_server_begin(const struct vd_program *p, const struct vd_config *c, struct vd_server *s,
                      vd_err *err)
{
    bool json = strcmp(vd_config_str(c, "log.format"), "json") == 0;
    *s = (struct vd_server){
        .self = p,
        .program = p->program,
        .config = c,
        .limits = vd_config_limits(c),
        .clock = vd_clock_real(),
        .openapi = p->openapi,
    };
    s->started = vd_clock_s(&s->clock);
    s->log = vd_log_new(STDERR_FILENO, level_of(vd_config_str(c, "log.level")),
                        json ? VD_LOG_JSON : VD_LOG_LOGFMT, s->clock);
    return s->log ? VD_OK : vd_fail(err, VD_E_NOMEM, "log");
}

vd_rc vd_server_audit(struct vd_server *s, const struct vd_state_paths *paths, bool accept_behind,
                      vd_err *err)
{
    VD_AUTO(vd_key_unref) struct vd_key *signer = NULL;
    VD_TRY(vd_audit_key_load(paths->audit, s->root.p, &signer, err));
    const struct vd_audit_cfg audit = {
        .path = paths->audit,
        .reserve = vd_config_u64(s->config, "audit.reserve"),
        .clock = s->clock,
        .log = s->log,
        .program = s->program,
        .signer = signer,
        .checkpoint_records = vd_config_u64(s->config, "audit.checkpoint_records"),
        .checkpoint_seconds = vd_config_u64(s->config, "audit.checkpoint_seconds"),
        .rotate_bytes = vd_config_u64(s->config, "audit.rotate_bytes"),
        .accept_behind = accept_behind,
    };
    return vd_audit_open(&audit, &s->audit, err);
}

vd_rc vd_server_state(struct vd_server *s, const struct vd_state_paths *paths, vd_err *err)
{
    VD_TRY(vd_root_key_load(paths->root_file, paths->passphrase, paths->salt, &s->root, err));
    const struct vd_store_cfg store = { paths->store, s->program, s->root.p };
    VD_TRY(vd_store_open(&store, &s->store, err));
    VD_TRY(vd_server_audit(s, paths, false, err));
    VD_TRY(vd_change_recover(s->audit, s->store, err));
    s->decisions = vd_decisions_new(s->limits);
    s->denials = vd_thinner_new(s->audit, s->limits, s->clock);
    if (!s->decisions || !s->denials)
        return vd_fail(err, VD_E_NOMEM, "decisions");
    return VD_OK;
}

void vd_server_end(struct vd_server *s)
{
    vd_planes_stop(s);
    if (s->app && s->self->close)
        s->self->close(s);
    vd_auth_free(s->auth);
    if (s->denials)
        vd_thinner_free(s->denials);
    if (s->decisions)
        vd_decisions_free(s->decisions);
    if (s->audit)
        vd_audit_close(s->audit);
    if (s->store)
        vd_store_close(s->store);
    if (s->root.p)
        vd_secret_done(&s->root);
    vd_log_free(s->log);
    *s = (struct vd_server){ 0 };
}

/* ---- ready ----------------------------------------------------------------------------------- */

static void say_administrators(const struct vd_server *s)
{
    if (strcmp(vd_config_str(s->config, "admin.mode"), "deny") == 0)
        vd_log_msg(s->log, VD_LOG_WARN, "program",
                   "admin.mode is deny: nobody can administrate this server");
    else if (vd_config_tables(s->config, "admin.identity") == 0)
        vd_log_msg(
            s->log, VD_LOG_WARN, "program",
            "no administrator is configured, so the admin API is closed; make a key pair with: "
            "vidimus admin "
            "keygen, and name its public half in an [[admin.identity]] with roles and audience");
}

/* Whole or not at all: who waits for the file must not read half a line. */
static vd_rc write_ready(const char *path, vd_span line, vd_err *err)
{
    VD_AUTO_BUF temp = vd_buf_of(4096);
    vd_buf_printf(&temp, "%s.new", path);
    VD_TRY(vd_buf_check(&temp, err));
    VD_AUTO_FD int fd =
        open(vd_buf_cstr(&temp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || write(fd, line.p, line.n) != (ssize_t)line.n ||
        rename(vd_buf_cstr(&temp), path) != 0)
        return vd_fail(err, VD_E_FILE, "--ready-file %s: %s", path, strerror(errno));
    return VD_OK;
}

static vd_rc say_ready(const struct vd_server *s, const struct vd_options *o, vd_err *err)
{
    VD_AUTO_BUF line = vd_buf_of(512);
    vd_buf_printf(&line, "ready guest=%s admin=%s\n", s->guest_facts.address,
                  s->admin_facts.address);
    VD_TRY(vd_buf_check(&line, err));
    (void)fwrite(line.p, 1, line.n, stdout);
    (void)fflush(stdout);
    return o->ready_file ? write_ready(o->ready_file, vd_buf_span(&line), err) : VD_OK;
}

/* ---- signals --------------------------------------------------------------------------------- */

/* Blocked before any thread starts, so all threads inherit it and only the main thread takes them.
 */
static vd_rc block_signals(sigset_t *set, vd_err *err)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGCHLD);
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, set, NULL) != 0)
        return vd_fail(err, VD_E_INTERNAL, "signals: %s", strerror(errno));
    return VD_OK;
}

/* Without the process that policy workers come from nothing can be decided any more, and it cannot
 * be forked again beside threads and secrets: whoever supervises the server starts it afresh. */
static vd_rc policies_ended(struct vd_server *s, vd_err *err)
{
    (void)vd_fail(err, VD_E_UNAVAILABLE,
                  "the process of the policy workers was ended from outside; stopping, because no "
                  "policy can be evaluated any more")
        .code;
    vd_log_err(s->log, VD_LOG_ERROR, "program", err);
    return VD_RC(VD_E_UNAVAILABLE);
}

static int64_t monotonic_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Often enough that a checkpoint is late by half of its time at most. */
static struct timespec pause_of(const struct vd_server *s)
{
    int64_t step = (int64_t)vd_config_u64(s->config, "audit.checkpoint_seconds") / 2;
    int64_t tick = s->self->tick ? (int64_t)s->self->tick_seconds : 0;
    step = tick > 0 && tick < step ? tick : step;
    return (struct timespec){ .tv_sec = step > 0 ? step : 1 };
}

static vd_rc wait_for_end(struct vd_server *s, const sigset_t *set, vd_err *err)
{
    const struct vd_program *p = s->self;
    const struct timespec pause = pause_of(s);
    int64_t ticked = monotonic_s();
    for (;;) {
        int got = sigtimedwait(set, NULL, &pause);
        if (got == SIGTERM || got == SIGINT) {
            vd_log_msg(s->log, VD_LOG_INFO, "program", "stopping on %s",
                       got == SIGTERM ? "SIGTERM" : "SIGINT");
            return VD_OK;
        }
        if (got == SIGCHLD && !vd_policy_workers_alive(s->policies))
            return policies_ended(s, err);
        if (got == SIGHUP)
            vd_planes_reload(s);
        if (got < 0 && errno == EAGAIN)
            vd_audit_tick(s->audit);
        if (p->tick && p->tick_seconds && monotonic_s() - ticked >= (int64_t)p->tick_seconds) {
            ticked = monotonic_s();
            p->tick(s);
        }
    }
}

/* ---- memory -----------------------------------------------------------------------------------
 */

/* Before anything is allocated. Huge pages would round up the heap of each thread to 2 MiB; an
 * arena for each thread would keep as many copies of what one request needs. Threads of this
 * program allocate little while they hold the processor, so four arenas are enough for many cores.
 * A refusal costs memory only. */
static void stay_small(void)
{
    enum { ARENAS = 4, ALONE_FROM = 1 << 20, KEPT = 2 << 20 };
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, ALONE_FROM); /* a large block goes back when it is freed */
    (void)mallopt(M_TRIM_THRESHOLD, KEPT); /* small ones are not fetched anew for each request */
}

/* ---- whole ----------------------------------------------------------------------------------- */

static vd_rc run(const struct vd_program *p, const struct vd_options *o, struct vd_server *s,
                 const struct vd_state_paths *paths, struct vd_tables *t, const sigset_t *set,
                 vd_err *err)
{
    VD_TRY(vd_program_auth(s->config, s->limits, t, &s->auth, err));
    VD_TRY(vd_server_state(s, paths, err));
    VD_TRY(vd_policy_workers_start(s->policies, s->limits, err));
    VD_TRY(p->open(s, err));
    vd_tables_wire(p, s, t);
    say_administrators(s);
    VD_TRY(vd_planes_start(s, t, err));
    VD_TRY(say_ready(s, o, err));
    return wait_for_end(s, set, err);
}

vd_rc vd_serve(const struct vd_program *p, const struct vd_options *o, vd_err *err)
{
    /* before there is anything that policies could reach for: files, secrets, threads */
    VD_AUTO(vd_policy_workers_free) struct vd_policy_workers *policies = NULL;
    VD_TRY(vd_policy_workers_new(&policies, err));
    VD_AUTO(vd_config_free) struct vd_config *c = NULL;
    VD_AUTO_STATE paths = { 0 };
    VD_AUTO_TABLES t = { 0 };
    VD_AUTO_FD int lock = -1;
    sigset_t set;
    stay_small();
    VD_TRY(vd_program_load(p, o, &c, err));
    VD_TRY(vd_planes_check(c, err));
    VD_TRY(p->check ? p->check(c, err) : VD_OK);
    VD_TRY(vd_tables_all(p, &t, err));
    VD_TRY(vd_state_paths_of(c, &paths, err));
    VD_TRY(vd_state_check(p, o, &paths, err));
    VD_TRY(vd_base_harden(err));
    VD_TRY(block_signals(&set, err));
    VD_TRY(vd_lock_take(paths.store, p->name, &lock, err));
    struct vd_server s = { 0 };
    vd_rc_ rc = vd_server_begin(p, c, &s, err);
    s.policies = policies;
    if (rc.code == VD_E_OK)
        rc = run(p, o, &s, &paths, &t, &set, err);
    vd_server_end(&s);
    return rc;
}
