/* Loading of libcurl; see curl_priv.h. It stays loaded: its threads and handlers must not lose
 * their code, and the next call wants it again. */
#include "shared/http/curl_priv.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static const char library[] = "libcurl.so.4";

/* The one cache of this file: written by load(), once, before anybody reads it. */
static struct {
    pthread_once_t once;
    struct vd_curl curl;
    const char *missing; /* library or function; NULL: all there */
} loaded = { .once = PTHREAD_ONCE_INIT };

/* POSIX lets a pointer to an object stand for a function here; ISO C has no cast for it. */
static void find(void *lib, const char *name, void *ret_function)
{
    void *at = dlsym(lib, name);
    if (!at && !loaded.missing)
        loaded.missing = name;
    memcpy(ret_function, &at, sizeof at);
}

static void load(void)
{
    void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        loaded.missing = library;
        return;
    }
#define FIND(name) find(lib, "curl_" #name, &loaded.curl.name);
    VD_CURL_FUNCTIONS(FIND)
#undef FIND
    if (!loaded.missing && loaded.curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        loaded.missing = "curl_global_init";
}

vd_rc vd_curl_get(const struct vd_curl **ret, vd_err *err)
{
    (void)pthread_once(&loaded.once, load);
    if (loaded.missing)
        return vd_fail(err, VD_E_INTERNAL, "the HTTP client library does not load (%s): install %s",
                       loaded.missing, "libcurl4");
    *ret = &loaded.curl;
    return VD_OK;
}
