/* What a server uses: itself and every process below it (policy workers), from /proc. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

enum { FAMILY_MAX = 256 };

struct pair {
    int pid;
    int parent;
};

static int parent_of(int pid)
{
    char path[64];
    char text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = 0;
    /* "PID (NAME) STATE PARENT": the name may have blanks and brackets */
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? (int)strtol(end + 4, NULL, 10) : -1;
}

/* pid and all below it; how many. */
static size_t family(int pid, int out[FAMILY_MAX])
{
    size_t n_all = 0;
    VD_AUTO(free) struct pair *all = calloc(65536, sizeof *all);
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && all && n_all < 65536 && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0])) {
            int one = (int)strtol(e->d_name, NULL, 10);
            all[n_all++] = (struct pair){ one, parent_of(one) };
        }
    if (proc)
        (void)closedir(proc);
    size_t n = 0;
    out[n++] = pid;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_all && n < FAMILY_MAX; k++)
            if (all[k].parent == out[i])
                out[n++] = all[k].pid;
    return n;
}

double used_us(int pid)
{
    int all[FAMILY_MAX];
    double sum = 0;
    for (size_t i = 0, n = pid > 0 ? family(pid, all) : 0; i < n; i++) {
        clockid_t clock;
        struct timespec ts;
        if (clock_getcpuclockid(all[i], &clock) == 0 && clock_gettime(clock, &ts) == 0)
            sum += (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
    }
    return sum;
}

/* The line of /proc/PID/FILE that begins with name, in KiB. */
static size_t line_kib(int pid, const char *file, const char *name)
{
    char path[64];
    char line[256];
    size_t kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = (size_t)strtoul(line + strlen(name), NULL, 10);
    if (f)
        (void)fclose(f);
    return kib;
}

size_t rss_kib(int pid)
{
    return line_kib(pid, "status", "VmRSS:");
}

struct memory memory_of(int pid)
{
    int all[FAMILY_MAX];
    struct memory m = { .rss_kib = rss_kib(pid) };
    for (size_t i = 0, n = family(pid, all); i < n; i++) {
        m.processes++;
        m.family_rss_kib += rss_kib(all[i]);
        m.family_pss_kib += line_kib(all[i], "smaps_rollup", "Pss:");
    }
    return m;
}
