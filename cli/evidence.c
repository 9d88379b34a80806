/* Evidence for a guest: the built-in sample, or a command that reads {tee, report_data,
 * runtime_data} (bytes as base64url) on standard input and writes the evidence JSON on standard
 * output. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "shared/codec/b64.h"

enum { EVIDENCE_BYTES = 4 << 20, PATIENCE_MS = 45000 };

extern char **environ;

static vd_rc sample(vd_span report_data, vd_buf *ret, vd_err *err)
{
    vd_jw w = vd_jw_of(ret);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "svn", "1");
    vd_jw_key(&w, "report_data");
    vd_jw_b64(&w, report_data, VD_B64_STD);
    vd_jw_end(&w);
    return vd_buf_check(ret, err);
}

struct child {
    pid_t pid;
    int in;  /* its standard input */
    int out; /* its standard output */
};

static vd_rc start(const char *command, struct child *ret, vd_err *err)
{
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return vd_fail(err, VD_E_FILE, "pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        (void)close(in[0]);
        (void)close(in[1]);
        return vd_fail(err, VD_E_FILE, "pipe: %s", strerror(errno));
    }
    char shell[] = "/bin/sh";
    char flag[] = "-c";
    VD_AUTO(free) char *text = vd_strdup_span(vd_span_str(command));
    char *argv[] = { shell, flag, text, NULL };
    posix_spawn_file_actions_t actions;
    int rc = text ? posix_spawn_file_actions_init(&actions) : ENOMEM;
    if (rc == 0) {
        (void)posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
        (void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
        rc = posix_spawn(&ret->pid, shell, &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    ret->in = in[1];
    ret->out = out[0];
    if (rc == 0)
        return VD_OK;
    (void)close(ret->in);
    (void)close(ret->out);
    return vd_fail(err, VD_E_FILE, "the attester could not be started: %s", strerror(rc));
}

/* Feeds the request and collects the answer at the same time, so that neither side can block the
 * other. */
static vd_rc converse(struct child *c, vd_span request, vd_buf *ret, vd_err *err)
{
    (void)fcntl(c->in, F_SETFL, O_NONBLOCK);
    size_t sent = 0;
    for (;;) {
        struct pollfd wait[2] = { { .fd = c->out, .events = POLLIN },
                                  { .fd = sent < request.n ? c->in : -1, .events = POLLOUT } };
        int ready = poll(wait, 2, PATIENCE_MS);
        if (ready == 0)
            return vd_fail(err, VD_E_TIMEOUT, "the attester gave no evidence within %d s",
                           PATIENCE_MS / 1000);
        if (ready < 0 && errno != EINTR)
            return vd_fail(err, VD_E_FILE, "attester: %s", strerror(errno));
        if (ready > 0 && wait[1].revents) {
            ssize_t n = write(c->in, request.p + sent, request.n - sent);
            sent = n < 0 && errno != EAGAIN ? request.n : sent + (n > 0 ? (size_t)n : 0);
            if (sent == request.n) {
                (void)close(c->in);
                c->in = -1;
            }
        }
        if (ready > 0 && wait[0].revents) {
            uint8_t *at = vd_buf_reserve(ret, 4096);
            if (!at)
                return vd_fail(err, VD_E_TOO_LARGE, "the attester wrote more than %d bytes",
                               EVIDENCE_BYTES);
            ssize_t n = read(c->out, at, 4096);
            if (n <= 0)
                return VD_OK;
            ret->n += (size_t)n;
        }
    }
}

static vd_rc run(const char *command, vd_span request, vd_buf *ret, vd_err *err)
{
    struct child c = { .in = -1, .out = -1 };
    VD_TRY(start(command, &c, err));
    vd_rc_ rc = converse(&c, request, ret, err);
    if (c.in >= 0)
        (void)close(c.in);
    (void)close(c.out);
    if (rc.code != VD_E_OK)
        (void)kill(c.pid, SIGKILL);
    int status = 0;
    while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc.code != VD_E_OK)
        return rc;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return vd_fail(err, VD_E_FILE, "the attester failed (%s %d); its own message is above",
                       WIFEXITED(status) ? "exit" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return VD_OK;
}

vd_rc cli_evidence(const char *tee, const char *attester, vd_span report_data, vd_span runtime_data,
                   vd_buf *ret_json, vd_err *err)
{
    *ret_json = vd_buf_of(EVIDENCE_BYTES);
    if (!attester) {
        if (strcmp(tee, "sample") != 0)
            return vd_fail(err, VD_E_SETTING,
                           "tee %s needs --attester COMMAND; only sample is built in", tee);
        return sample(report_data, ret_json, err);
    }
    VD_AUTO_BUF request = vd_buf_of(1u << 20);
    vd_jw w = vd_jw_of(&request);
    vd_jw_obj(&w);
    vd_jw_kstr(&w, "tee", tee);
    vd_jw_key(&w, "report_data");
    vd_jw_b64(&w, report_data, VD_B64_URL);
    vd_jw_key(&w, "runtime_data");
    vd_jw_raw(&w, runtime_data);
    vd_jw_end(&w);
    VD_TRY(vd_buf_check(&request, err));
    VD_TRY(run(attester, vd_buf_span(&request), ret_json, err));
    VD_AUTO(vd_json_free) struct vd_json *j = NULL;
    const struct vd_json_limits limits = { EVIDENCE_BYTES, 32, 200000 };
    if (vd_json_parse(vd_buf_span(ret_json), &limits, &j, NULL).code != VD_E_OK)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "the attester did not write one JSON value");
    return VD_OK;
}
