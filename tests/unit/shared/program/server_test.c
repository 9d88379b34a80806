/* A small whole server over real sockets: this test program is run again with a verb as its
 * arguments and is then a server of two routes. Start, stop, refusals, the common native routes,
 * restarts. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/codec/json.h"
#include "shared/crypto/key.h"
#include "shared/http/client.h"
#include "shared/program/objects.h"

extern char **environ;

/* ---- the server ------------------------------------------------------------------------------ */

static const struct vd_setting settings[] = {
    { .key = "mini.greeting", .type = VD_SET_STR, .def = "hello", .help = "What is answered." },
    { .key = "mini.key_file", .type = VD_SET_PATH, .help = "A file that init makes." },
    { .key = "mini.fail_init", .type = VD_SET_BOOL, .def = "false", .help = "For the test." },
    { .key = "mini.extra", .type = VD_SET_BOOL, .def = "true", .help = "Serve /extra." },
};

static const struct vd_object_kind note = { .kind = "note",
                                            .content_type = "text/plain",
                                            .what_put = "note.put",
                                            .what_delete = "note.delete" };

static vd_rc_ greet(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    vd_buf_str(&resp->body, vd_config_str(req->server->config, "mini.greeting"));
    resp->content_type = "text/plain";
    return vd_buf_check(&resp->body, err);
}

static vd_rc_ decide(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char id[24];
    vd_decision_id(id);
    vd_decisions_add(req->server->decisions, id, "default", VD_LIT("{\"rule\":\"none\"}"));
    vd_buf_str(&resp->body, id);
    resp->content_type = "text/plain";
    return vd_buf_check(&resp->body, err);
}

static vd_rc_ name_of(const struct vd_req *req, char name[256], vd_err *err)
{
    if (req->param[0].n > 255)
        return vd_fail(err, VD_E_SETTING, "name");
    memcpy(name, req->param[0].p, req->param[0].n);
    name[req->param[0].n] = 0;
    return VD_OK;
}

static vd_rc_ get_note(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[256];
    VD_TRY(name_of(req, name, err));
    return vd_objects_get(&note, name, req, resp, err);
}

static vd_rc_ put_note(const struct vd_req *req, struct vd_resp *resp, vd_err *err)
{
    char name[256];
    VD_TRY(name_of(req, name, err));
    return vd_objects_put(&note, name, req, resp, err);
}

static const struct vd_route guest_routes[] = {
    { VD_GET, "/healthz", VD_OPEN, VD_NO_BODY, VD_SHAPE_TEXT, VD_INLINE, vd_healthz },
    { VD_GET, "/kbs/v0/greeting", VD_OPEN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, greet },
    { VD_GET, "/extra", VD_OPEN, VD_NO_BODY, VD_SHAPE_TEXT, VD_WORK, greet },
    { VD_POST, "/kbs/v0/decide", VD_ADMIN, VD_NO_BODY, VD_SHAPE_KBS, VD_WORK, decide },
};
static const struct vd_route admin_routes[] = {
    { VD_GET, "/api/v1/notes/{id}", VD_ADMIN, VD_NO_BODY, VD_SHAPE_NATIVE, VD_WORK, get_note },
    { VD_PUT, "/api/v1/notes/{id}", VD_ADMIN, VD_BODY(policy_body), VD_SHAPE_NATIVE, VD_WORK,
      put_note },
};
static const char *const state_keys[] = { "mini.key_file", NULL };

static bool route_on(const struct vd_server *s, const struct vd_route *r)
{
    return strcmp(r->pattern, "/extra") != 0 || vd_config_bool(s->config, "mini.extra");
}

static vd_rc_ check(const struct vd_config *c, vd_err *err)
{
    if (strcmp(vd_config_str(c, "mini.greeting"), "forbidden") == 0)
        return vd_fail(err, VD_E_CONFIG, "mini.greeting: choose another");
    return VD_OK;
}

static vd_rc_ init_mini(struct vd_server *s, vd_err *err)
{
    const char *path = vd_config_str(s->config, "mini.key_file");
    FILE *out = path ? fopen(path, "w") : NULL;
    if (out)
        (void)fclose(out);
    if (vd_config_bool(s->config, "mini.fail_init"))
        return vd_fail(err, VD_E_CONFIG, "init was told to fail");
    return VD_OK;
}

static vd_rc_ open_mini(struct vd_server *s, vd_err *err)
{
    (void)err;
    s->app = s;
    return VD_OK;
}

static void close_mini(struct vd_server *s)
{
    s->app = NULL;
}

static void status(struct vd_server *s, vd_buf *members)
{
    (void)s;
    vd_buf_str(members, "\"mini\":{\"ticks\":1}");
}

static void metrics(struct vd_server *s, vd_buf *lines)
{
    (void)s;
    vd_buf_str(lines, "vidimus_mini 1\n");
}

static int own_verb(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[0], "own") == 0 && strcmp(argv[1], "x") == 0 ? VD_EXIT_VERIFY
                                                                                 : VD_EXIT_REMOTE;
}

static int server_main(int argc, char **argv)
{
    static const struct vd_verb verbs[] = { { "own", "a verb of the program", own_verb } };
    const struct vd_program program = {
        .name = "vidimus-mini",
        .program = "mini",
        .summary = "a server for tests",
        .settings = settings,
        .n_settings = sizeof settings / sizeof settings[0],
        .guest_routes = guest_routes,
        .n_guest_routes = sizeof guest_routes / sizeof guest_routes[0],
        .admin_routes = admin_routes,
        .n_admin_routes = sizeof admin_routes / sizeof admin_routes[0],
        .verbs = verbs,
        .n_verbs = 1,
        .openapi = VD_LIT("{\"openapi\":\"3.1.0\"}"),
        .state_keys = state_keys,
        .check = check,
        .route_on = route_on,
        .init = init_mini,
        .open = open_mini,
        .close = close_mini,
        .status = status,
        .metrics = metrics,
    };
    return vd_program_main(&program, argc, argv);
}

/* ---- running it ------------------------------------------------------------------------------ */

struct fixture {
    char *dir;
    char config[600];
    char ready[600];
    char out[600];
    char pub[600];
    struct vd_key *key;
    struct vd_client *client;
    pid_t pid;
    char guest[64], admin[64];
};

enum { ARGS = 24 };

static vd_buf slurp(const char *path)
{
    vd_buf b = vd_buf_of(1u << 20);
    FILE *in = fopen(path, "rb");
    if (!in)
        return b;
    uint8_t *at = vd_buf_reserve(&b, 65536);
    b.n += fread(at, 1, 65536, in);
    (void)fclose(in);
    return b;
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    assert_int_equal(fclose(out), 0);
}

static pid_t spawn(struct fixture *f, const char *const *args)
{
    char *argv[ARGS] = { (char *)(uintptr_t) "vidimus-mini" };
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    int fd = open(f->out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    (void)execve("/proc/self/exe", argv, environ);
    _exit(127);
}

static int finish(pid_t pid)
{
    int st = 0;
    for (int i = 0; i < 3000; i++) {
        pid_t got = waitpid(pid, &st, WNOHANG);
        if (got == pid)
            return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
        const struct timespec pause = { .tv_nsec = 10000000 };
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &st, 0);
    return -1;
}

/* Runs to its end; output (both streams) is checked for `want`, and must be one line when it
 * failed. */
static void expect(struct fixture *f, int code, const char *want, const char *const *args)
{
    int got = finish(spawn(f, args));
    VD_AUTO_BUF text = slurp(f->out);
    const char *t = vd_buf_cstr(&text);
    if (got != code || !strstr(t, want)) {
        print_error("exit %d (wanted %d), wanted text: %s\noutput: %s\n", got, code, want, t);
        fail();
    }
    if (code == VD_EXIT_USAGE && strchr(t, '\n') != strrchr(t, '\n')) {
        print_error("more than one line: %s\n", t);
        fail();
    }
}
#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void start(struct fixture *f, const char *const *more)
{
    const char *args[ARGS] = { "serve", "--config", f->config, "--ready-file", f->ready };
    for (size_t i = 0; more && more[i]; i++)
        args[5 + i] = more[i];
    (void)unlink(f->ready);
    f->pid = spawn(f, args);
    for (int i = 0; i < 2000 && access(f->ready, F_OK) != 0; i++) {
        int st = 0;
        if (waitpid(f->pid, &st, WNOHANG) == f->pid) {
            VD_AUTO_BUF text = slurp(f->out);
            print_error("ended at start: %s\n", vd_buf_cstr(&text));
            fail();
        }
        const struct timespec pause = { .tv_nsec = 10000000 };
        (void)nanosleep(&pause, NULL);
    }
    VD_AUTO_BUF line = slurp(f->ready);
    const char *t = vd_buf_cstr(&line);
    assert_int_equal(strncmp(t, "ready guest=127.0.0.1:", 22), 0);
    const char *admin = strstr(t, " admin=");
    assert_non_null(admin);
    (void)snprintf(f->guest, sizeof f->guest, "http://%.*s", (int)(admin - t - 12), t + 12);
    (void)snprintf(f->admin, sizeof f->admin, "http://%.*s", (int)strcspn(admin + 7, "\n"),
                   admin + 7);
}

static void stop(struct fixture *f)
{
    assert_int_equal(kill(f->pid, SIGTERM), 0);
    int got = finish(f->pid);
    f->pid = 0;
    if (got != 0) {
        VD_AUTO_BUF text = slurp(f->out);
        print_error("%s\n", vd_buf_cstr(&text));
    }
    assert_int_equal(got, 0);
}

static int call(struct fixture *f, const char *base, const char *method, const char *path,
                const char *role, const char *field, const char *body, vd_buf *ret)
{
    char url[512];
    VD_AUTO_BUF token = vd_buf_of(8192);
    const char *fields[4] = { NULL };
    size_t n = 0;
    vd_err err = { 0 };
    (void)snprintf(url, sizeof url, "%s%s", base, path);
    if (role) {
        const struct vd_token_spec spec = { role, "mini", NULL, (int64_t)time(NULL), 300 };
        vd_buf_str(&token, "Authorization: Bearer ");
        assert_ok(vd_auth_token(f->key, &spec, &token, &err));
        fields[n++] = vd_buf_cstr(&token);
    }
    if (field)
        fields[n++] = field;
    struct vd_answer a = { 0 };
    const struct vd_call c = {
        .method = method,
        .url = url,
        .body = vd_span_str(body ? body : ""),
        .has_body = body != NULL,
        .field = fields,
        .seconds = 10,
        .max_bytes = 1u << 20,
    };
    if (vd_client_call(f->client, &c, &a, &err).code != VD_E_OK) {
        print_error("%s %s: %s\n", method, url, err.msg);
        fail();
    }
    int status_code = a.status;
    if (ret) {
        vd_buf_reset(ret);
        vd_buf_add(ret, vd_buf_span(&a.body));
    }
    vd_answer_done(&a);
    return status_code;
}

static void write_config(struct fixture *f, const char *folder, const char *more)
{
    VD_AUTO_BUF t = vd_buf_of(65536);
    vd_buf_printf(
        &t,
        "[guest]\nlisten = \"127.0.0.1:0\"\ninsecure_http = true\n[admin]\nlisten = "
        "\"127.0.0.1:0\"\n"
        "insecure_http = true\n[[admin.identity]]\nname = \"ops\"\npublic_key_file = \"%s\"\n"
        "audience = \"mini\"\nroles = [\"owner\", \"auditor\"]\n[[admin.role]]\nname = \"owner\"\n"
        "allow = [\"* /*\"]\n[[admin.role]]\nname = \"auditor\"\nallow = [\"GET /api/v1/*\"]\n"
        "[root_key]\nfile = \"%s/root.key\"\n[store]\npath = \"%s/store.db\"\n[audit]\n"
        "path = \"%s/audit.jsonl\"\nreserve = 1048576\n%s",
        f->pub, folder, folder, folder, more);
    write_text(f->config, vd_buf_cstr(&t));
}

/* A fresh folder, initialised. */
static void fresh(struct fixture *f, const char *more)
{
    free(f->dir);
    f->dir = vd_test_dir("server");
    (void)snprintf(f->config, sizeof f->config, "%s/mini.toml", f->dir);
    (void)snprintf(f->ready, sizeof f->ready, "%s/ready", f->dir);
    (void)snprintf(f->out, sizeof f->out, "%s/out", f->dir);
    (void)snprintf(f->pub, sizeof f->pub, "%s/ops.pem", f->dir);
    VD_AUTO_BUF pem = vd_buf_of(8192);
    assert_ok(vd_key_to_pem_public(f->key, &pem, NULL));
    write_text(f->pub, vd_buf_cstr(&pem));
    write_config(f, "state", more);
}

static void init(struct fixture *f)
{
    expect(f, 0, "start with: vidimus-mini serve --config ", ARGV("init", "--config", f->config));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct vd_client_cfg cfg = { 0 };
    assert_ok(vd_key_generate(VD_KTY_ED25519, 0, &f->key, NULL));
    assert_ok(vd_client_new(&cfg, &f->client, NULL));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->pid > 0) {
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, NULL, 0);
    }
    vd_client_free(f->client);
    vd_key_unref(f->key);
    free(f->dir);
    free(f);
    return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void init_makes_the_state_once(void **state)
{
    struct fixture *f = *state;
    fresh(f, "[mini]\nkey_file = \"state/deep/er/key\"\n");
    expect(f, 0, "/state/root.key\n", ARGV("init", "--config", f->config));
    char path[700];
    struct stat st;
    static const char *const made[] = { "root.key",        "store.db",        "audit.jsonl",
                                        "audit.jsonl.key", "audit.jsonl.pub", "audit.jsonl.head",
                                        "deep/er/key" };
    enum { MADE = sizeof made / sizeof made[0] };
    for (size_t i = 0; i < MADE; i++) {
        (void)snprintf(path, sizeof path, "%s/state/%s", f->dir, made[i]);
        assert_int_equal(stat(path, &st), 0);
        if (i < MADE - 1)
            assert_int_equal(st.st_mode & 077, 0);
    }
    (void)snprintf(path, sizeof path, "%s/state", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (size_t i = 0; i < MADE; i++) { /* each alone is reason enough to refuse */
        expect(f, 1, "exists already; init makes a new server only",
               ARGV("init", "--config", f->config));
        (void)snprintf(path, sizeof path, "%s/state/%s", f->dir, made[i]);
        VD_AUTO_BUF text = slurp(f->out);
        assert_non_null(strstr(vd_buf_cstr(&text), path));
        assert_int_equal(unlink(path), 0);
    }
}

static void a_failed_init_takes_back_what_it_made(void **state)
{
    struct fixture *f = *state;
    fresh(f, "[mini]\nkey_file = \"state/key\"\n");
    expect(f, 1, "vidimus-mini: init was told to fail",
           ARGV("init", "--config", f->config, "--set", "mini.fail_init=true"));
    init(f);
}

static void a_start_without_init_names_file_and_cure(void **state)
{
    struct fixture *f = *state;
    char want[700], path[700];
    fresh(f, "");
    (void)snprintf(
        want, sizeof want,
        "/state/root.key (root_key.file) does not exist; run: vidimus-mini init --config %s",
        f->config);
    expect(f, 1, want, ARGV("serve", "--config", f->config));
    expect(f, 1, want, ARGV("--config", f->config)); /* serve is the default verb */
    init(f);
    static const char *const files[] = { "audit.jsonl", "store.db", "root.key" };
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/state/%s", f->dir, files[i]);
        (void)snprintf(want, sizeof want, "/state/%s (", files[i]);
        assert_int_equal(unlink(path), 0);
        expect(f, 1, want, ARGV("serve", "--config", f->config));
    }
}

static void a_wrong_root_key_stops_the_start(void **state)
{
    struct fixture *f = *state;
    char path[700], from[700];
    fresh(f, "");
    init(f);
    (void)snprintf(path, sizeof path, "%s/state/root.key", f->dir);
    (void)snprintf(from, sizeof from, "%s/state/old.key", f->dir);
    assert_int_equal(rename(path, from), 0);
    VD_AUTO_BUF old = slurp(from);
    old.p[0] ^= 1;
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(old.p, 1, old.n, out), old.n);
    (void)fclose(out);
    expect(f, 1, "others can read it; chmod 600 it", ARGV("serve", "--config", f->config));
    assert_int_equal(chmod(path, 0600), 0);
    expect(f, 1, "store.db", ARGV("serve", "--config", f->config));
}

static void a_passphrase_stands_in_for_the_key_file(void **state)
{
    struct fixture *f = *state;
    char path[700], set[800];
    fresh(f, "");
    (void)snprintf(path, sizeof path, "%s/passphrase", f->dir);
    write_text(path, "correct horse battery staple\n");
    assert_int_equal(chmod(path, 0600), 0);
    (void)snprintf(set, sizeof set, "root_key.passphrase_file=%s", path);
    expect(f, 1, "root_key.file and root_key.passphrase_file are both set; keep one",
           ARGV("init", "--config", f->config, "--set", set));
    VD_AUTO_BUF t = vd_buf_of(65536);
    vd_buf_printf(&t, "[guest]\nlisten = \"127.0.0.1:0\"\ninsecure_http = true\n[admin]\nlisten = "
                      "\"127.0.0.1:0\"\n"
                      "insecure_http = true\n[root_key]\npassphrase_file = "
                      "\"passphrase\"\n[store]\npath = \"s/store.db\"\n"
                      "[audit]\npath = \"s/audit.jsonl\"\nreserve = 0\n");
    write_text(f->config, vd_buf_cstr(&t));
    expect(f, 0, "store.db.salt", ARGV("init", "--config", f->config));
    start(f, NULL);
    stop(f);
    write_text(path, "another passphrase\n");
    expect(f, 1, "store.db", ARGV("serve", "--config", f->config));
}

static void plain_http_must_be_asked_for(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    expect(f, 1,
           "guest.tls_cert and guest.tls_key are not set; set them, or guest.insecure_http = true "
           "for plain HTTP",
           ARGV("serve", "--config", f->config, "--set", "guest.insecure_http=false"));
    expect(f, 1, "admin.tls_cert and admin.tls_key are not set",
           ARGV("serve", "--config", f->config, "--set=admin.insecure_http=false"));
    expect(f, 1, "guest.tls_cert and guest.tls_key: one is set without the other; set both",
           ARGV("check-config", "--config", f->config, "--set", "guest.tls_cert=/x"));
}

static void a_server_serves_and_stops(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF body = vd_buf_of(1u << 20);
    fresh(f, "");
    init(f);
    start(f, NULL);
    VD_AUTO_BUF out = slurp(f->out);
    assert_non_null(strstr(vd_buf_cstr(&out), "ready guest=127.0.0.1:"));
    assert_null(strstr(vd_buf_cstr(&out), "INSECURE")); /* loopback */

    assert_int_equal(call(f, f->guest, "GET", "/healthz", NULL, NULL, NULL, &body), 200);
    assert_int_equal(body.n, 0);
    assert_int_equal(call(f, f->admin, "GET", "/healthz", NULL, NULL, NULL, &body), 200);
    assert_int_equal(call(f, f->guest, "GET", "/kbs/v0/greeting", NULL, NULL, NULL, &body), 200);
    assert_string_equal(vd_buf_cstr(&body), "hello");
    assert_int_equal(call(f, f->guest, "GET", "/api/v1/status", "owner", NULL, NULL, NULL), 404);
    assert_int_equal(call(f, f->admin, "GET", "/kbs/v0/greeting", "owner", NULL, NULL, NULL), 404);

    assert_int_equal(call(f, f->admin, "GET", "/api/v1/status", NULL, NULL, NULL, &body), 401);
    assert_non_null(strstr(vd_buf_cstr(&body), "urn:vidimus:error:admin.token-missing"));
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/status", "root", NULL, NULL, &body), 403);
    assert_non_null(strstr(vd_buf_cstr(&body), "Role root not allowed"));
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/status", "auditor", NULL, NULL, &body), 200);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&body), VD_JSON_LIMITS(1u << 20), &j, NULL));
    vd_jv root = vd_json_root(j);
    assert_true(vd_jv_str_eq(vd_jv_get(root, "program"), "mini"));
    assert_true(vd_jv_is(vd_jv_pointer(root, "/audit/ok"), VD_JSON_TRUE));
    assert_true(vd_jv_is(vd_jv_pointer(root, "/store/ok"), VD_JSON_TRUE));
    assert_true(vd_jv_is(vd_jv_pointer(root, "/guest/tls"), VD_JSON_FALSE));
    assert_true(vd_jv_is(vd_jv_pointer(root, "/mini/ticks"), VD_JSON_NUMBER));

    assert_int_equal(call(f, f->admin, "GET", "/api/v1/openapi.json", NULL, NULL, NULL, &body),
                     200);
    assert_string_equal(vd_buf_cstr(&body), "{\"openapi\":\"3.1.0\"}");
    assert_int_equal(call(f, f->admin, "GET", "/metrics", NULL, NULL, NULL, NULL), 401);
    assert_int_equal(call(f, f->admin, "GET", "/metrics", "owner", NULL, NULL, &body), 200);
    assert_non_null(strstr(vd_buf_cstr(&body), "vidimus_audit_ok 1\n"));
    assert_non_null(strstr(vd_buf_cstr(&body), "vidimus_mini 1\n"));
    assert_non_null(strstr(vd_buf_cstr(&body), "vidimus_build_info{program=\"mini\""));
    stop(f);
    VD_AUTO_BUF log = slurp(f->out);
    assert_non_null(strstr(vd_buf_cstr(&log), "stopping on SIGTERM"));
}

static void decisions_are_read_by_id(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF body = vd_buf_of(1u << 20);
    char path[128];
    fresh(f, "");
    init(f);
    start(f, NULL);
    assert_int_equal(call(f, f->guest, "POST", "/kbs/v0/decide", "owner", NULL, "", &body), 200);
    (void)snprintf(path, sizeof path, "/api/v1/decisions/%s", vd_buf_cstr(&body));
    assert_int_equal(call(f, f->admin, "GET", path, "auditor", NULL, NULL, &body), 200);
    assert_non_null(strstr(vd_buf_cstr(&body), "\"rule\":\"none\""));
    assert_int_equal(call(f, f->admin, "GET", path, NULL, NULL, NULL, NULL), 401);
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/decisions/AAAAAAAAAAAAAAAAAAAAAA", "auditor",
                          NULL, NULL, NULL),
                     404);
    assert_int_equal(call(f, f->admin, "GET",
                          "/api/v1/decisions/"
                          "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                          "AAAAAAAAAAAAAAA",
                          "auditor", NULL, NULL, NULL),
                     404);
    stop(f);
}

static void changes_are_recorded_and_outlast_a_restart(void **state)
{
    struct fixture *f = *state;
    VD_AUTO_BUF body = vd_buf_of(1u << 20);
    fresh(f, "");
    init(f);
    start(f, NULL);
    assert_int_equal(call(f, f->admin, "PUT", "/api/v1/notes/a", "owner", NULL, "one", NULL), 428);
    assert_int_equal(
        call(f, f->admin, "PUT", "/api/v1/notes/a", "owner", "If-None-Match: *", "one", NULL), 201);
    assert_int_equal(
        call(f, f->admin, "PUT", "/api/v1/notes/a", "owner", "If-None-Match: *", "x", NULL), 412);
    assert_int_equal(
        call(f, f->admin, "PUT", "/api/v1/notes/a", "owner", "If-Match: \"1\"", "two", NULL), 200);
    assert_int_equal(
        call(f, f->admin, "PUT", "/api/v1/notes/a", "auditor", "If-Match: \"2\"", "three", NULL),
        403);
    assert_int_equal(kill(f->pid, SIGKILL), 0);
    assert_int_equal(finish(f->pid), 1000 + SIGKILL);
    start(f, NULL);
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/notes/a", "auditor", NULL, NULL, &body),
                     200);
    assert_string_equal(vd_buf_cstr(&body), "two");

    assert_int_equal(call(f, f->admin, "GET", "/api/v1/audit", "auditor", NULL, NULL, &body), 200);
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    assert_ok(vd_json_parse(vd_buf_span(&body), VD_JSON_LIMITS(1u << 20), &j, NULL));
    size_t all = vd_jv_count(vd_jv_get(vd_json_root(j), "items"));
    assert_true(all >= 4);
    assert_true(vd_jv_is(vd_jv_get(vd_json_root(j), "next"), VD_JSON_NULL));
    size_t got = 0;
    char path[64] = "/api/v1/audit?limit=1";
    for (bool more = true; more && got <= all; got++) {
        assert_int_equal(call(f, f->admin, "GET", path, "auditor", NULL, NULL, &body), 200);
        VD_AUTO(vd_json_free) struct vd_json *page = NULL;
        assert_ok(vd_json_parse(vd_buf_span(&body), VD_JSON_LIMITS(1u << 20), &page, NULL));
        assert_int_equal(vd_jv_count(vd_jv_get(vd_json_root(page), "items")), 1);
        uint64_t next = 0;
        more = vd_jv_u64(vd_jv_get(vd_json_root(page), "next"), UINT32_MAX, &next, NULL).code ==
               VD_E_OK;
        (void)snprintf(path, sizeof path, "/api/v1/audit?limit=1&after=%u", (unsigned)next);
    }
    assert_int_equal(got, all);
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/audit?after=x", "auditor", NULL, NULL, NULL),
                     400);
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/audit?limit=0", "auditor", NULL, NULL, NULL),
                     400);
    stop(f);
}

static void a_second_start_is_refused_by_the_lock(void **state)
{
    struct fixture *f = *state;
    char first[600], want[128];
    fresh(f, "");
    init(f);
    start(f, NULL);
    (void)snprintf(first, sizeof first, "%s", f->out);
    (void)snprintf(f->out, sizeof f->out, "%s/out2", f->dir);
    (void)snprintf(
        want, sizeof want,
        "is held: vidimus-mini runs with this store already (process %ld); stop it first",
        (long)f->pid);
    expect(f, 1, want, ARGV("serve", "--config", f->config));
    assert_int_equal(call(f, f->guest, "GET", "/healthz", NULL, NULL, NULL, NULL), 200);
    stop(f);
    start(f, NULL); /* the lock went with its process */
    stop(f);
}

static void what_the_configuration_takes_away_is_no_route(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    start(f, ARGV("--set", "guest.kbs_admin=false", "--set", "mini.extra=false"));
    assert_int_equal(call(f, f->guest, "POST", "/kbs/v0/decide", "owner", NULL, "", NULL), 404);
    assert_int_equal(call(f, f->guest, "GET", "/extra", NULL, NULL, NULL, NULL), 404);
    assert_int_equal(call(f, f->guest, "GET", "/kbs/v0/greeting", NULL, NULL, NULL, NULL), 200);
    stop(f);
    start(f, NULL);
    assert_int_equal(call(f, f->guest, "POST", "/kbs/v0/decide", "owner", NULL, "", NULL), 200);
    assert_int_equal(call(f, f->guest, "GET", "/extra", NULL, NULL, NULL, NULL), 200);
    stop(f);
}

static void deny_mode_closes_the_admin_api(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    start(f, ARGV("--set", "admin.mode=deny"));
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/status", "owner", NULL, NULL, NULL), 403);
    VD_AUTO_BUF log = slurp(f->out);
    assert_non_null(strstr(vd_buf_cstr(&log), "admin.mode is deny"));
    stop(f);
}

static void without_administrators_a_line_says_how_to_open(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    start(f, ARGV("--set", "admin.identity=[]"));
    VD_AUTO_BUF log = slurp(f->out);
    assert_non_null(strstr(vd_buf_cstr(&log), "no administrator is configured"));
    assert_int_equal(call(f, f->admin, "GET", "/api/v1/status", "owner", NULL, NULL, NULL), 401);
    stop(f);
}

static void off_loopback_plain_http_is_said_loudly(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    const char *args[] = {
        "serve", "--config", f->config, "--ready-file", f->ready, "--set", "guest.listen=0.0.0.0:0",
        NULL
    };
    f->pid = spawn(f, args);
    for (int i = 0; i < 2000 && access(f->ready, F_OK) != 0; i++) {
        const struct timespec pause = { .tv_nsec = 10000000 };
        (void)nanosleep(&pause, NULL);
    }
    VD_AUTO_BUF log = slurp(f->out);
    assert_non_null(
        strstr(vd_buf_cstr(&log), "INSECURE: the guest plane serves plain HTTP on 0.0.0.0:"));
    assert_null(strstr(vd_buf_cstr(&log), "INSECURE: the admin plane"));
    stop(f);
}

static void sigint_stops_and_sighup_does_not(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    init(f);
    start(f, NULL);
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    assert_int_equal(kill(f->pid, SIGPIPE), 0);
    assert_int_equal(call(f, f->guest, "GET", "/healthz", NULL, NULL, NULL, NULL), 200);
    assert_int_equal(kill(f->pid, SIGINT), 0);
    assert_int_equal(finish(f->pid), 0);
    f->pid = 0;
}

static void a_port_in_use_is_named(void **state)
{
    struct fixture *f = *state;
    char set[128];
    fresh(f, "");
    init(f);
    start(f, NULL);
    (void)snprintf(set, sizeof set, "guest.listen=%s", f->guest + strlen("http://"));
    struct fixture other = { .key = f->key };
    fresh(&other, "");
    init(&other);
    int got = finish(spawn(&other, ARGV("serve", "--config", other.config, "--set", set)));
    VD_AUTO_BUF text = slurp(other.out);
    assert_int_equal(got, 1);
    assert_non_null(strstr(vd_buf_cstr(&text), f->guest + strlen("http://")));
    free(other.dir);
    stop(f);
}

static void a_bad_configuration_stops_with_one_line(void **state)
{
    struct fixture *f = *state;
    char missing[700];
    fresh(f, "[mini]\ngreting = \"x\"\n");
    expect(f, 1, "mini.toml:26: mini.greting: unknown key; did you mean mini.greeting?",
           ARGV("serve", "--config", f->config));
    expect(f, 1, "unknown key", ARGV("init", "--config", f->config));
    expect(f, 1, "unknown key", ARGV("check-config", "--config", f->config));
    write_config(f, "state", "[mini]\ngreeting = \"forbidden\"\n");
    expect(f, 1, "mini.greeting: choose another", ARGV("check-config", "--config", f->config));
    expect(f, 1, "admin.role owner: \"GET /nowhere/*\" matches no route; correct or remove it",
           ARGV("check-config", "--config", f->config, "--set", "mini.greeting=x", "--set",
                "admin.role=[{name=\"owner\",allow=[\"GET "
                "/nowhere/*\"]},{name=\"auditor\",allow=[\"* /*\"]}]"));
    expect(f, 0, "mini.toml: good",
           ARGV("check-config", "--config", f->config, "--set", "mini.greeting=x"));
    (void)snprintf(missing, sizeof missing, "%s/none.toml", f->dir);
    expect(f, 1, "none.toml: No such file or directory; make one with: vidimus-mini config-default",
           ARGV("serve", "--config", missing));
    expect(f, 1, "/etc/vidimus/mini.toml", ARGV("serve"));
}

static void verbs_and_options_are_checked(void **state)
{
    struct fixture *f = *state;
    fresh(f, "");
    expect(f, 0, "usage: vidimus-mini [VERB] [OPTIONS]", ARGV("--help"));
    expect(f, 0, "own              a verb of the program", ARGV("help"));
    expect(f, 0, "vidimus-mini " VD_VERSION, ARGV("--version"));
    expect(f, 0, "usage: vidimus-mini serve [--config FILE]", ARGV("serve", "--help"));
    expect(f, 0, "--ready-file FILE", ARGV("serve", "--help"));
    expect(f, 0, "usage: vidimus-mini init [--config FILE]", ARGV("init", "--help"));
    expect(f, 0, "usage: vidimus-mini check-config [--config FILE]", ARGV("check-config", "-h"));
    expect(f, 0, "usage: vidimus-mini config-default\n", ARGV("config-default", "--help"));
    expect(f, 0, "#greeting = \"hello\"\n", ARGV("config-default"));
    expect(f, 0, "#name = \"auditor\"\n", ARGV("config-default"));
    expect(f, 1, "vidimus-mini: there is no verb nonsense; see: vidimus-mini --help",
           ARGV("nonsense"));
    expect(f, 1, "vidimus-mini: serve does not know --nonsense; see: serve --help",
           ARGV("serve", "--nonsense"));
    expect(f, 1, "vidimus-mini: --config needs a value", ARGV("serve", "--config"));
    expect(f, 1, "init does not know --ready-file", ARGV("init", "--ready-file", "x"));
    expect(f, 1, "config-default does not know --config", ARGV("config-default", "--config", "x"));
    expect(f, VD_EXIT_VERIFY, "", ARGV("own", "x"));
    expect(f, VD_EXIT_REMOTE, "", ARGV("own"));
}

int main(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "vidimus-mini") == 0)
        return server_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_makes_the_state_once),
        cmocka_unit_test(a_failed_init_takes_back_what_it_made),
        cmocka_unit_test(a_start_without_init_names_file_and_cure),
        cmocka_unit_test(a_wrong_root_key_stops_the_start),
        cmocka_unit_test(a_passphrase_stands_in_for_the_key_file),
        cmocka_unit_test(plain_http_must_be_asked_for),
        cmocka_unit_test(a_server_serves_and_stops),
        cmocka_unit_test(decisions_are_read_by_id),
        cmocka_unit_test(changes_are_recorded_and_outlast_a_restart),
        cmocka_unit_test(a_second_start_is_refused_by_the_lock),
        cmocka_unit_test(what_the_configuration_takes_away_is_no_route),
        cmocka_unit_test(deny_mode_closes_the_admin_api),
        cmocka_unit_test(without_administrators_a_line_says_how_to_open),
        cmocka_unit_test(off_loopback_plain_http_is_said_loudly),
        cmocka_unit_test(sigint_stops_and_sighup_does_not),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(a_bad_configuration_stops_with_one_line),
        cmocka_unit_test(verbs_and_options_are_checked),
    };
    vd_err err = { 0 };
    if (vd_base_init(&err).code != VD_E_OK)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
