/* A fresh SoftHSM token in a folder of the test: softhsm2-util makes it, SOFTHSM2_CONF names it to
 * the module. Included by one test program each. */
#pragma once

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/support.h"

#define HSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define HSM_TOKEN "vidimus test"
#define HSM_PIN "1234"

/* The folder of the tokens; a static buffer that hsm_make fills. */
static inline char *hsm_tokens(void)
{
    static char path[4096];
    return path;
}

/* Call once, before the module is loaded: it reads its configuration then. */
static inline void hsm_make(void)
{
    VD_AUTO(free) char *dir = vd_test_dir("hsm");
    VD_AUTO_BUF path = vd_buf_of(4096);
    vd_buf_printf(&path, "%s/softhsm2.conf", dir);
    (void)snprintf(hsm_tokens(), 4096, "%s/tokens", dir);
    assert_int_equal(mkdir(hsm_tokens(), 0700), 0);
    FILE *f = fopen(vd_buf_cstr(&path), "w");
    assert_non_null(f);
    (void)fprintf(f, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
                  hsm_tokens());
    assert_int_equal(fclose(f), 0);
    assert_int_equal(setenv("SOFTHSM2_CONF", vd_buf_cstr(&path), 1), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execlp("softhsm2-util", "softhsm2-util", "--init-token", "--free", "--label",
                     HSM_TOKEN, "--pin", HSM_PIN, "--so-pin", "123456", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        print_error("softhsm2-util failed: is the package softhsm2 installed?\n");
    assert_int_equal(status, 0);
}

/* Ends all sessions of this process, behind the back of whoever has some. */
static inline void hsm_finalize(void)
{
    void *library = dlopen(HSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    union {
        void *object;
        unsigned long (*function)(void *);
    } u = { .object = dlsym(library, "C_Finalize") };
    assert_non_null(u.object);
    assert_int_equal(u.function(NULL), 0);
    assert_int_equal(dlclose(library), 0);
}
