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
/* The file is longer than its records by up to so many blanks. A sync that does not have to make a
 * new length durable too takes half the time, and far less where a file system keeps a journal. */
enum { VD_AUDIT_BLANK = ' ', VD_AUDIT_ROOM = 64 << 10 };

struct vd_audit_line {
    vd_span text;     /* the whole line */
    uint8_t hash[32]; /* its SHA-256, which the next line has as prev */
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

/* Parts of the strict form, for the other texts of the record: true when it came next and is behind
 * us. */
bool vd_audit_take_literal(vd_rd *r, const char *text);
bool vd_audit_take_number(vd_rd *r, uint64_t *ret);        /* 1 to 2^63 - 1, no leading zero */
bool vd_audit_take_hex(vd_rd *r, uint8_t *p, size_t n);    /* n bytes, lower case */
bool vd_audit_take_word(vd_rd *r, char *ret, size_t room); /* [A-Za-z0-9_.-], at least one */

/* Reading a file from its beginning: each whole line checked against the chain. */
struct vd_audit_scan {
    uint64_t records;
    uint64_t first_seq;
    uint64_t last_seq;
    uint8_t before[32]; /* what the first line continues; zeros in the very first file */
    uint8_t head[32];   /* hash of the last line */
    uint64_t good_end;  /* offset behind the last whole line */
    uint64_t torn;      /* bytes behind it that are of unfinished records, blanks among them */
    uint64_t blank;     /* or, when all are blanks: room for records to come */
};
typedef vd_rc (*vd_audit_each)(void *ctx, const struct vd_audit_line *line, uint64_t offset,
                               vd_err *err);
/* start: NULL for a whole file, whose first record is a beginning; else the first line at
 * start->good_end must continue start. */
vd_rc vd_audit_scan(const char *path, int fd, const struct vd_audit_scan *start, vd_audit_each each,
                    void *ctx, struct vd_audit_scan *ret, vd_err *err);

/* ---- merkle.c: RFC 9162 section 2.1 ---- */
enum { VD_MERKLE_LEVELS = 48 };
struct vd_merkle {
    uint64_t n;
    uint8_t node[VD_MERKLE_LEVELS][32]; /* roots of the complete subtrees, by the bits of n */
};
vd_rc vd_merkle_leaf(vd_span entry, uint8_t ret[32], vd_err *err);
vd_rc vd_merkle_add(struct vd_merkle *m, const uint8_t leaf[32], vd_err *err);
vd_rc vd_merkle_root(const struct vd_merkle *m, uint8_t ret[32], vd_err *err); /* n > 0 */
/* The path from a leaf to the root; `leaves` (n times 32 bytes) is used up. */
vd_rc vd_merkle_path(uint8_t *leaves, size_t n, size_t index, vd_buf *out, vd_err *err);
/* The root that leaf and path lead to. VD_E_STORE_CORRUPT: the path has another length. */
vd_rc vd_merkle_follow(const uint8_t leaf[32], uint64_t index, uint64_t n, vd_span path,
                       uint8_t ret[32], vd_err *err);

/* ---- checkpoint.c ---- */
enum { VD_AUDIT_PROGRAM = 16, VD_AUDIT_LOG_HEX = 32, VD_AUDIT_THUMBPRINT = 43, VD_AUDIT_SIG = 64 };
#define VD_AUDIT_CHECKPOINT "checkpoint"
struct vd_audit_checkpoint {
    char program[VD_AUDIT_PROGRAM + 1];
    char log[VD_AUDIT_LOG_HEX + 1]; /* random name of the record, the same in all of its files */
    uint64_t from;                  /* records from..to are the leaves */
    uint64_t to;
    uint8_t root[32];
    uint8_t head[32]; /* hash of record `to`: the chain up to it is signed too */
    char key[VD_AUDIT_THUMBPRINT + 1];
    uint8_t sig[VD_AUDIT_SIG];
};
/* The detail of a checkpoint, signed. time: of its record. c->key and c->sig are filled. */
vd_rc vd_audit_checkpoint_write(struct vd_audit_checkpoint *c, vd_span time,
                                const struct vd_key *signer, vd_buf *out, vd_err *err);
/* A parsed line of that event. VD_E_SYNTAX. */
vd_rc vd_audit_checkpoint_parse(const struct vd_audit_line *line, struct vd_audit_checkpoint *ret,
                                vd_err *err);
/* VD_E_SIG. */
vd_rc vd_audit_checkpoint_verify(const struct vd_audit_checkpoint *c, vd_span time,
                                 const struct vd_key *key, vd_err *err);

/* ---- begin.c: the first record of a file ---- */
struct vd_audit_begin {
    char program[VD_AUDIT_PROGRAM + 1];
    char log[VD_AUDIT_LOG_HEX + 1];
    vd_span key;             /* public JWK; empty without a signer */
    const char *continues;   /* the file before; NULL in the first */
    uint64_t last_done;      /* of the files before */
    const uint64_t *intents; /* still open at that moment */
    size_t n_intents;
};
vd_rc vd_audit_begin_write(const struct vd_audit_begin *b, vd_buf *out, vd_err *err);
/* program, log, last_done and key (into key_jwk, may be NULL) of a first record. VD_E_SYNTAX,
 * VD_E_CONFIG (newer format). */
vd_rc vd_audit_begin_parse(vd_span detail, struct vd_audit_begin *ret, vd_buf *key_jwk,
                           vd_err *err);
/* Calls back for every intent that was open then. */
vd_rc vd_audit_begin_intents(vd_span detail, vd_audit_intent each, void *ctx, vd_err *err);

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

/* One record on its way. Waited for: lies on the caller's stack. Lazy, or with somebody to call
 * back: lies on the heap. */
struct vd_audit_node {
    vd_audit_then then;
    void *then_ctx;
    struct vd_audit_node *next;
    const char *event;
    vd_span detail;
    unsigned flags;
    bool lazy;
    bool done;
    bool skip; /* refused while only the reserve is left */
    bool mark; /* no record of its own: asks for a checkpoint */
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
    /* The thread that leads for records without a waiting owner; started by the first of them. */
    pthread_t writer;
    bool has_writer;
    bool writer_stop;
    sem_t writer_wake;
    bool leading;  /* somebody writes, or is woken to; only he touches the members below */
    uint64_t end;  /* of the records */
    uint64_t size; /* of the file: blanks from the end on */
    uint8_t head[32];
    vd_buf out;
    bool unsynced;         /* something was written since the last sync */
    int64_t tried;         /* when the reserve was last asked for */
    struct vd_merkle tree; /* of the records since the last checkpoint */
    uint64_t tree_from;
    int64_t signed_at;  /* since when there is something new */
    uint64_t rotate_at; /* offset at which the next file is due */

    /* Fixed after opening. */
    char program[VD_AUDIT_PROGRAM + 1];
    char log_id[VD_AUDIT_LOG_HEX + 1];
    struct vd_key *signer;
    uint64_t checkpoint_records;
    uint64_t checkpoint_seconds;
    uint64_t rotate_bytes;
    char *behind; /* what the head file says and the record lacks, until it is accepted */
    bool opened;

    /* Under the lock. */
    uint64_t first_seq; /* of the file that is written */
    uint64_t *older;    /* first sequences of the files before, in order */
    size_t n_older;
    size_t cap_older;
    vd_buf head_line; /* newest checkpoint, with its newline */
    uint64_t *index;  /* offset of record first_seq + i * VD_AUDIT_INDEX */
    size_t n_index;
    size_t cap_index;
    uint64_t *intents; /* open ones */
    size_t n_intents;
    size_t cap_intents;
    uint64_t last_done; /* newest intent that was closed as done */

    _Atomic uint64_t seq;
    _Atomic uint64_t written;     /* readers may read up to here */
    _Atomic int64_t due;          /* when a checkpoint is, by the clock; 0: nothing is new */
    _Atomic uint64_t signed_next; /* the first record without a checkpoint behind it */
    _Atomic bool broken;          /* a sync failed */
    _Atomic bool starved;         /* the disk is full */
};

/* Called for every record that is in the file, in order: keeps index and open intents. Lock held.
 */
vd_rc vd_audit_note(struct vd_audit *a, const char *event, size_t event_n, uint64_t seq,
                    vd_span detail, uint64_t offset, vd_err *err);

/* Room for one more in a list of numbers. */
vd_rc vd_audit_grow(uint64_t **list, size_t n, size_t *cap, vd_err *err);

/* files.c: the names beside the record. VD_E_FILE: too long. */
vd_rc vd_audit_beside(const char *path, const char *end, vd_buf *out, vd_err *err);
vd_rc vd_audit_older_name(const char *path, uint64_t first_seq, vd_buf *out, vd_err *err);
/* First sequences of the older files in the folder, in order. Caller frees. */
vd_rc vd_audit_older_find(const char *path, uint64_t **ret, size_t *ret_n, vd_err *err);

/* read.c: lines from a sequence on (or the first behind it), over all files, until the callback
 * stops it or what is written ends. The text has no newline. */
typedef vd_rc (*vd_audit_visit)(void *ctx, uint64_t seq, vd_span text, bool *ret_stop, vd_err *err);
vd_rc vd_audit_walk(struct vd_audit *a, uint64_t seq, vd_audit_visit visit, void *ctx, vd_err *err);

/* rotate.c: by the leader, between two batches. */
void vd_audit_rotate(struct vd_audit *a);

/* head.c */
/* Compares the record, which was read back, with its head file. */
vd_rc vd_audit_head_check(struct vd_audit *a, bool accept, vd_err *err);
/* By the leader, after a checkpoint is durable. */
void vd_audit_head_save(struct vd_audit *a, vd_span line);

/* reserve.c */
vd_rc vd_audit_reserve_paths(struct vd_audit *a, vd_err *err);
/* Space set aside (again)? False when the disk does not have it. */
bool vd_audit_reserve_take(struct vd_audit *a);
void vd_audit_reserve_give(struct vd_audit *a);

/* audit.c: for the one who found `leading` false and set it, or who was handed the lead. */
void vd_audit_lead(struct vd_audit *a, bool writer);
void vd_audit_enqueue(struct vd_audit *a, struct vd_audit_node *n); /* lock held */
vd_rc vd_audit_result(const struct vd_audit *a, const struct vd_audit_node *n, vd_err *err);
vd_rc vd_audit_check_record(const struct vd_audit *a, const char *event, vd_span detail,
                            vd_err *err);
/* then.c */
void vd_audit_writer_stop(struct vd_audit *a);

/* write.c */
void vd_audit_flush(struct vd_audit *a, struct vd_audit_node *batch);
/* One attempt with what is not skipped, and a checkpoint when one is due or forced. Returns 0, or
 * an errno that may pass; others end all writing. */
int vd_audit_attempt(struct vd_audit *a, struct vd_audit_node *batch, bool force);
/* 0 or an errno; *ret_touched (may be NULL) is set when something was written. */
int vd_audit_write_at(struct vd_audit *a, int fd, vd_span bytes, uint64_t at, bool *ret_touched);
/* Off with all that is behind the records. 0 or an errno. */
int vd_audit_trim(struct vd_audit *a);
/* Ends all writing until a restart. */
void vd_audit_break(struct vd_audit *a, const char *doing, int cause);
