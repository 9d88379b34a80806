/* Scratch folder, keys, configuration, and the two programs, on loopback with SQLite. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "shared/auth/auth.h"
#include "shared/base/file.h"
#include "tests/bench/bench.h"

static bool complain(const char *what)
{
    (void)fprintf(stderr, "vd_bench: %s: %s\n", what, strerror(errno));
    return false;
}

static uint16_t free_port(void)
{
    VD_AUTO_FD int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof at;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    return ntohs(at.sin_port);
}

static bool write_text(const struct bench *b, const char *name, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", b->dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        return complain(path);
    bool ok = fputs(text, f) >= 0;
    return fclose(f) == 0 && ok;
}

static void common_config(const struct bench *b, const struct server *s, const char *name,
                          vd_buf *out)
{
    vd_buf_printf(
        out,
        "[guest]\nlisten = \"127.0.0.1:%u\"\ninsecure_http = true\n"
        "[admin]\nlisten = \"127.0.0.1:%u\"\ninsecure_http = true\nmax_token_life = 86400\n"
        "[[admin.identity]]\nname = \"bench\"\npublic_key_file = \"%s/admin.pub\"\naudience = "
        "\"bench\"\n"
        "roles = [\"admin\"]\n"
        "[[admin.role]]\nname = \"admin\"\nallow = [\"* /kbs/v0/*\", \"* /api/v1/*\"]\n"
        "[root_key]\nfile = \"%s/%s/root.key\"\n[store]\npath = \"%s/%s/store.sqlite\"\n"
        "[audit]\npath = \"%s/%s/audit.log\"\nreserve = 1048576\n"
        "[limits]\nattests_per_source = 1000000\nreleases_per_passport = 100000\n[log]\nlevel = "
        "\"error\"\n",
        s->guest, s->admin, b->dir, b->dir, name, b->dir, name, b->dir, name);
}

static bool configure(struct bench *b)
{
    VD_AUTO_BUF text = vd_buf_of(65536);
    common_config(b, &b->issuer, "issuer", &text);
    vd_buf_printf(
        &text,
        "[passport]\nissuer = \"https://issuer.bench\"\nkey_file = \"%s/issuer/passport.key\"\n"
        "[as]\nenabled = true\n[tee.sample]\nenabled = true\n[tee.snp]\nenabled = true\n"
        "extra_roots = [\"%s\"]\n[tee.tdx]\nenabled = true\n[tee.dcap]\nextra_roots = "
        "[\"%s\"]\n[collateral]\ndir = \"%s\"\n",
        b->dir, b->roots, b->intel_root, b->collateral);
    if (!vd_buf_cstr(&text) || !write_text(b, "issuer.toml", vd_buf_cstr(&text)))
        return false;
    vd_buf_reset(&text);
    common_config(b, &b->broker, "broker", &text);
    vd_buf_printf(
        &text,
        "[[trusted_issuer]]\nname = \"bench\"\nissuer = \"https://issuer.bench\"\n"
        "jwks_file = \"%s/jwks.json\"\nalgs = [\"ES256\"]\ntees = [\"*\"]\nrepositories = [\"*\"]\n"
        "accept_simulated = true\n",
        b->dir);
    return vd_buf_cstr(&text) && write_text(b, "broker.toml", vd_buf_cstr(&text));
}

void pin(int core)
{
    if (core < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* Runs a program of the bin folder with "VERB --config DIR/NAME.toml [--ready-file ...]". */
static int spawn(const struct bench *b, const char *name, const char *verb, bool pinned)
{
    char program[512];
    char config[512];
    char ready[512];
    (void)snprintf(program, sizeof program, "%s/vidimus-%s", b->bin, name);
    (void)snprintf(config, sizeof config, "%s/%s.toml", b->dir, name);
    (void)snprintf(ready, sizeof ready, "%s/%s.ready", b->dir, name);
    (void)unlink(ready);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (pinned)
        pin(b->core_server);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0)
        (void)dup2(null, STDOUT_FILENO);
    if (strcmp(verb, "serve") == 0)
        (void)execl(program, program, verb, "--config", config, "--ready-file", ready,
                    (char *)NULL);
    else
        (void)execl(program, program, verb, "--config", config, (char *)NULL);
    (void)fprintf(stderr, "vd_bench: %s: %s\n", program, strerror(errno));
    _exit(127);
}

static bool initialise(const struct bench *b, const char *name)
{
    int status = 0;
    pid_t pid = spawn(b, name, "init", false);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)fprintf(stderr, "vd_bench: vidimus-%s init failed\n", name);
        return false;
    }
    return true;
}

static void stop(struct server *s)
{
    if (s->pid <= 0)
        return;
    (void)kill(s->pid, SIGTERM);
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

bool server_serve(struct bench *b, struct server *s, const char *name)
{
    char ready[512];
    (void)snprintf(ready, sizeof ready, "%s/%s.ready", b->dir, name);
    double start = now_us();
    s->pid = spawn(b, name, "serve", true);
    while (s->pid > 0 && access(ready, R_OK) != 0) {
        const struct timespec nap = { 0, 200000 };
        (void)nanosleep(&nap, NULL);
        bool ended = waitpid(s->pid, NULL, WNOHANG) == s->pid;
        if (ended || now_us() - start > 60e6) {
            (void)fprintf(stderr, "vd_bench: vidimus-%s did not start\n", name);
            if (!ended)
                stop(s);
            s->pid = 0;
            return false;
        }
    }
    s->ready_ms = (now_us() - start) / 1e3;
    return s->pid > 0;
}

static bool make_admin_key(struct bench *b)
{
    VD_AUTO_BUF pem = vd_buf_of(8192);
    if (vd_key_generate(VD_KTY_ED25519, 0, &b->admin_key, NULL).code != VD_E_OK ||
        vd_key_to_pem_public(b->admin_key, &pem, NULL).code != VD_E_OK)
        return false;
    return write_text(b, "admin.pub", vd_buf_cstr(&pem));
}

static bool fetch_jwks(struct bench *b)
{
    VD_AUTO_BUF answer = vd_buf_of(65536);
    if (call(b->issuer.guest, "GET", "/.well-known/jwks.json", "", VD_SPAN_NONE, &answer) != 200)
        return false;
    return vd_buf_cstr(&answer) && write_text(b, "jwks.json", vd_buf_cstr(&answer));
}

bool servers_start(struct bench *b)
{
    b->issuer.guest = free_port();
    b->issuer.admin = free_port();
    b->broker.guest = free_port();
    b->broker.admin = free_port();
    if (!make_admin_key(b) || !configure(b) || !initialise(b, "issuer") || !initialise(b, "broker"))
        return false;
    if (!server_serve(b, &b->issuer, "issuer") || !fetch_jwks(b) ||
        !server_serve(b, &b->broker, "broker"))
        return false;
    pin(b->core_client);
    return true;
}

void servers_stop(struct bench *b)
{
    stop(&b->broker);
    stop(&b->issuer);
    vd_key_unref(b->admin_key);
    b->admin_key = NULL;
}

bool admin_token(struct bench *b, vd_buf *tok)
{
    const struct vd_token_spec spec = {
        .role = "admin", .audience = "bench", .now = (int64_t)time(NULL), .life = 3600
    };
    return vd_auth_token(b->admin_key, &spec, tok, NULL).code == VD_E_OK;
}

struct one {
    vd_span request;
    int status;
    vd_buf *answer;
};

static vd_span one_request(void *ctx, size_t i)
{
    (void)i;
    return ((struct one *)ctx)->request;
}

static void one_answer(void *ctx, size_t i, int status, vd_span head, vd_span body)
{
    (void)i;
    (void)head;
    struct one *o = ctx;
    o->status = status;
    if (o->answer)
        vd_buf_add(o->answer, body);
}

int call(uint16_t port, const char *method, const char *path, const char *fields, vd_span body,
         vd_buf *answer)
{
    VD_AUTO_BUF request = vd_buf_of(16u << 20);
    vd_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method, path, fields);
    if (strcmp(method, "GET") != 0)
        vd_buf_printf(&request, "Content-Length: %zu\r\n", body.n);
    vd_buf_str(&request, "\r\n");
    vd_buf_add(&request, body);
    struct one o = { vd_buf_span(&request), -1, answer };
    const struct load l = { .port = port,
                            .connections = 1,
                            .requests = 1,
                            .request = one_request,
                            .answer = one_answer,
                            .ctx = &o };
    struct load_result r;
    return load_run(&l, &r) ? o.status : -1;
}
