/* Inside of the audit record: the line format, the writer's state, the system calls that tests
 * replace. */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "shared/audit/audit.h"

/* One record, without its newline:
 *   {"seq":N,"time":"T","event":"E","prev":"P","detail":{..},"sum":"S"}
 * P: SHA-256 of the previous line's bytes (zeros for the first). S: first 8 bytes of the SHA-256 of
 * all that stands before ,"sum" so that damage to the last line, which no later P covers, is seen
 * too. */
enum { VD_AUDIT_DETAIL = 256 << 10, VD_AUDIT_LINE = VD_AUDIT_DETAIL + 512, VD_AUDIT_EVENT = 32 };
enum { VD_AUDIT_INDEX = 1024 }; /* records between two remembered offsets */

struct vd_audit_line {
    uint64_t seq;
    vd_span time;
    vd_span event;
    uint8_t prev[32];
    vd_span detail;
};
/* Strict: exactly the form above. VD_E_SYNTAX says what is wrong; spans point into `line`. */
vd_rc vd_audit_line_parse(vd_span line, struct vd_audit_line *ret, vd_err *err);
/* Appends a line and its newline. `ret_hash` gets the SHA-256 of the line. */
vd_rc vd_audit_line_write(uint64_t seq, vd_span time, const char *event, const uint8_t prev[32],
                          vd_span detail, vd_buf *out, uint8_t ret_hash[32], vd_err *err);
bool vd_audit_event_form(vd_span event);
bool vd_audit_detail_form(vd_span detail);
/* The "intent" number of a done or aborted record; 0 when there is none. */
uint64_t vd_audit_line_intent(vd_span detail);

/* Reading a file from its beginning: each whole line checked against the chain. */
struct vd_audit_scan {
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
    uint8_t head[32];  /* hash of the last line */
    uint64_t good_end; /* offset behind the last whole line */
    uint64_t torn;     /* bytes behind it */
};
typedef vd_rc (*vd_audit_each)(void *ctx, const struct vd_audit_line *line, uint64_t offset,
                               vd_err *err);
vd_rc vd_audit_scan(const char *path, int fd, vd_audit_each each, void *ctx,
                    struct vd_audit_scan *ret, vd_err *err);

/* What the writer asks of the system. NULL members: the real thing. */
struct vd_audit_ops {
    ssize_t (*pwrite)(void *ctx, int fd, const void *p, size_t n, off_t at);
    int (*fdatasync)(void *ctx, int fd);
    int (*ftruncate)(void *ctx, int fd, off_t size);
    int (*allocate)(void *ctx, int fd, off_t size);
    void *ctx;
};
vd_rc vd_audit_open_ops(const struct vd_audit_cfg *cfg, const struct vd_audit_ops *ops,
                        struct vd_audit **ret, vd_err *err);

/* One record on its way. Waited for: lies on the caller's stack. Lazy: lies on the heap. */
struct vd_audit_node {
    struct vd_audit_node *next;
    const char *event;
    vd_span detail;
    unsigned flags;
    bool lazy;
    bool done;
    bool skip; /* refused while only the reserve is left */
    vd_code code;
    int cause; /* errno of a failed write */
    uint64_t seq;
    sem_t wake; /* of its own: a shared condition would wake its owner into a taken lock */
};

struct vd_audit {
    char *path;
    char *reserve_path;
    uint64_t reserve;
    struct vd_clock clock;
    struct vd_log *log;
    struct vd_audit_ops ops;
    int fd;

    pthread_mutex_t lock; /* queue, leading, starved, intents, index */
    struct vd_audit_node *first;
    struct vd_audit_node **last;
    size_t lazy_bytes;
    bool leading; /* somebody writes, or is woken to; only he touches the members below */
    uint64_t end;
    uint8_t head[32];
    vd_buf out;
    bool unsynced; /* something was written since the last sync */
    int64_t tried; /* when the reserve was last asked for */

    uint64_t *index; /* offset of record 1 + i * VD_AUDIT_INDEX */
    size_t n_index;
    size_t cap_index;
    uint64_t *intents; /* open ones */
    size_t n_intents;
    size_t cap_intents;
    uint64_t last_done; /* newest intent that was closed as done */

    _Atomic uint64_t seq;
    _Atomic uint64_t written; /* readers may read up to here */
    _Atomic bool broken;      /* a sync failed */
    _Atomic bool starved;     /* the disk is full */
};

/* Called for every record that is in the file, in order: keeps index and open intents. Lock held.
 */
vd_rc vd_audit_note(struct vd_audit *a, const char *event, size_t event_n, uint64_t seq,
                    vd_span detail, uint64_t offset, vd_err *err);

/* reserve.c */
vd_rc vd_audit_reserve_paths(struct vd_audit *a, vd_err *err);
/* Space set aside (again)? False when the disk does not have it. */
bool vd_audit_reserve_take(struct vd_audit *a);
void vd_audit_reserve_give(struct vd_audit *a);

/* write.c */
void vd_audit_flush(struct vd_audit *a, struct vd_audit_node *batch);
