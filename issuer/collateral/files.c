/* Files that an operator gave: the bundle, and everything below the offline directory. They are
 * read whole, put on a shelf, and read again when a look at names, sizes and times shows a change;
 * a look costs a few system calls and is taken every ten seconds at most. */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#include "issuer/collateral/collateral_priv.h"
#include "shared/base/slurp.h"

enum {
    LOOK_EVERY = 10,
    FILES_MAX = 4096,
    DEPTH_MAX = 8,
    ALL_BYTES_MAX = 128 << 20 /* of one reading */
};

struct coll_files {
    const struct coll_places *places;
    char *path[2];        /* bundle, directory or file; either may be NULL */
    pthread_mutex_t lock; /* guards what follows */
    int64_t looked_at;
    uint64_t print; /* of what the shelf was made from */
    bool filled;
    struct iss_collateral_shelf shelf;
};

/* ---- a reading ---------------------------------------------------------------------------------
 */

struct reading {
    struct iss_collateral_file *file;
    vd_buf *bytes;
    char **name;
    size_t n;
    size_t all;
    uint64_t print;
    bool content; /* else only the print is made */
    vd_buf notes;
};

static void reading_done(struct reading *r)
{
    for (size_t i = 0; i < r->n; i++) {
        vd_buf_done(&r->bytes[i]);
        free(r->name[i]);
    }
    free(r->file);
    free(r->bytes);
    free(r->name);
    vd_buf_done(&r->notes);
}
#define AUTO_READING __attribute__((cleanup(reading_done))) struct reading

static void mix(uint64_t *print, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *print = (*print ^ ((const uint8_t *)p)[i]) * UINT64_C(0x100000001b3);
}

static vd_rc read_one(struct reading *r, const char *path, const char *name, vd_err *err)
{
    vd_buf *b = &r->bytes[r->n];
    vd_err why = { 0 };
    r->name[r->n] = vd_strdup_span(vd_span_str(name));
    if (!r->name[r->n])
        return vd_fail(err, VD_E_NOMEM, "offline collateral");
    *b = vd_buf_of(ISS_BUNDLE_BYTES_MAX + 16384);
    r->file[r->n] = (struct iss_collateral_file){ .name = r->name[r->n] };
    size_t at = r->n++;
    if (vd_file_read(path, ISS_BUNDLE_BYTES_MAX, b, NULL, &why).code != VD_E_OK) {
        vd_buf_done(b);
        (void)snprintf(r->file[at].why, sizeof r->file[at].why, "%.150s", why.msg);
        r->file[at].taken = true;
        return VD_OK;
    }
    r->all += b->n;
    r->file[at].bytes = vd_buf_span(b);
    return VD_OK;
}

static vd_rc visit(struct reading *r, const FTSENT *e, size_t root_n, vd_err *err)
{
    const struct stat *st = e->fts_statp;
    const char *name = e->fts_path + (e->fts_level > 0 ? root_n + 1 : 0);
    if (!S_ISREG(st->st_mode))
        return VD_OK;
    mix(&r->print, e->fts_path, e->fts_pathlen);
    mix(&r->print, &st->st_size, sizeof st->st_size);
    mix(&r->print, &st->st_mtim, sizeof st->st_mtim);
    mix(&r->print, &st->st_ino, sizeof st->st_ino);
    if (!r->content)
        return VD_OK;
    if (r->n == FILES_MAX || (size_t)st->st_size > ALL_BYTES_MAX - r->all) {
        vd_buf_printf(&r->notes, "%.200s: not read: more than %d files or %d MiB\n", name,
                      FILES_MAX, ALL_BYTES_MAX >> 20);
        return VD_OK;
    }
    return read_one(r, e->fts_path, name, err);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void close_fts(FTS *f)
{
    (void)fts_close(f);
}
VD_DEFINE_CLEANUP(FTS, close_fts)

static vd_rc walk(struct reading *r, char *path, vd_err *err)
{
    char *const paths[] = { path, NULL };
    VD_AUTO(close_fts) FTS *fts = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (!fts)
        return vd_fail(err, VD_E_FILE, "%s: %s", path, strerror(errno));
    size_t root_n = strlen(path);
    while (root_n > 1 && path[root_n - 1] == '/')
        root_n--;
    for (FTSENT *e = fts_read(fts); e; e = fts_read(fts)) {
        if (e->fts_info == FTS_D && e->fts_level > DEPTH_MAX)
            (void)fts_set(fts, e, FTS_SKIP);
        if (e->fts_info == FTS_F)
            VD_TRY(visit(r, e, root_n, err));
        if (e->fts_info == FTS_DNR || e->fts_info == FTS_NS || e->fts_info == FTS_ERR)
            vd_buf_printf(&r->notes, "%.200s: %s\n", e->fts_path, strerror(e->fts_errno));
    }
    return VD_OK;
}

static vd_rc read_all(struct coll_files *f, struct reading *r, vd_err *err)
{
    r->print = UINT64_C(0xcbf29ce484222325);
    r->notes = vd_buf_of(65536);
    if (r->content) {
        r->file = calloc(FILES_MAX, sizeof *r->file);
        r->bytes = calloc(FILES_MAX, sizeof *r->bytes);
        r->name = calloc(FILES_MAX, sizeof *r->name);
        if (!r->file || !r->bytes || !r->name)
            return vd_fail(err, VD_E_NOMEM, "offline collateral");
    }
    for (size_t i = 0; i < sizeof f->path / sizeof f->path[0]; i++)
        if (f->path[i])
            VD_TRY(walk(r, f->path[i], err));
    return VD_OK;
}

/* ---- the shelf of it ---------------------------------------------------------------------------
 */

static vd_rc fill(struct coll_files *f, vd_err *err)
{
    AUTO_READING r = { .content = true };
    COLL_AUTO_SHELF shelf = { 0 };
    VD_TRY(read_all(f, &r, err));
    VD_TRY(coll_shelf_fill(f->places, r.file, r.n, &shelf, err));
    vd_buf_add(&shelf.notes, vd_buf_span(&r.notes));
    coll_shelf_done(&f->shelf);
    f->shelf = shelf;
    shelf = (struct iss_collateral_shelf){ 0 };
    f->print = r.print;
    f->filled = true;
    return VD_OK;
}

static vd_rc look(struct coll_files *f, vd_err *err)
{
    int64_t now = vd_clock_s(&f->places->clock);
    if (f->filled && now >= f->looked_at && now - f->looked_at < LOOK_EVERY)
        return VD_OK;
    AUTO_READING r = { .content = false };
    VD_TRY(read_all(f, &r, err));
    f->looked_at = now;
    return f->filled && r.print == f->print ? VD_OK : fill(f, err);
}

vd_rc coll_files_with(struct coll_files *f, coll_files_use use, void *ctx, vd_err *err)
{
    (void)pthread_mutex_lock(&f->lock);
    vd_rc_ rc = look(f, err);
    if (rc.code == VD_E_OK)
        rc = use(ctx, &f->shelf, err);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- opening -----------------------------------------------------------------------------------
 */

vd_rc coll_files_new(const struct coll_places *p, const char *bundle, const char *path,
                     struct coll_files **ret, vd_err *err)
{
    VD_AUTO(coll_files_free) struct coll_files *f = calloc(1, sizeof *f);
    const char *const given[] = { bundle, path };
    if (!f || pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        f = NULL;
        return vd_fail(err, VD_E_NOMEM, "offline collateral");
    }
    f->places = p;
    for (size_t i = 0; i < 2; i++)
        if (given[i] && !(f->path[i] = vd_strdup_span(vd_span_str(given[i]))))
            return vd_fail(err, VD_E_NOMEM, "offline collateral");
    *ret = VD_TAKE(f);
    return VD_OK;
}

void coll_files_free(struct coll_files *f)
{
    if (!f)
        return;
    coll_shelf_done(&f->shelf);
    free(f->path[0]);
    free(f->path[1]);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}
