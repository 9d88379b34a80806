/* Framing and replay of event logs; see eventlog.h. The first record has the form of SHA-1 logs and
 * declares the algorithms; the rest is crypto-agile. Agents write a first record without the text
 * "Spec ID Event03", so that text is not asked for. */
#include "issuer/tee/eventlog/eventlog.h"

#include <stdlib.h>

#include "issuer/tee/eventlog/eventlog_priv.h"
#include "shared/base/secret.h"

enum { SHA1_BYTES = 20, SPEC_ID_BYTES = 24, ALGS_MAX = 8, DIGESTS_MAX = 8, MARKER = 8 };

/* TPM algorithm identifiers (TCG Algorithm Registry) and the true sizes of their digests. */
static const struct {
    uint16_t id;
    uint16_t size;
} algs[] = { { 0x4, 20 }, { 0xB, 32 }, { 0xC, 48 }, { 0xD, 64 }, { 0x12, 32 } };
enum { ALGS = sizeof algs / sizeof algs[0] };

static uint16_t alg_id(enum vd_hash h)
{
    switch (h) {
    case VD_SHA256:
        return 0xB;
    case VD_SHA384:
        return 0xC;
    case VD_SHA512:
        return 0xD;
    case VD_SM3:
        return 0x12;
    case VD_HASH_MAX:
        break;
    }
    return 0;
}

static uint16_t size_of_alg(uint16_t id)
{
    for (size_t i = 0; i < ALGS; i++)
        if (algs[i].id == id)
            return algs[i].size;
    return 0;
}

struct reading {
    vd_rd r;
    uint16_t declared[ALGS_MAX];
    size_t n_declared;
    struct evl_log *log;
};

static vd_rc broken(const struct reading *x, const char *what, vd_err *err)
{
    return vd_fail(err, VD_E_BAD_EVIDENCE, "event log: %s (byte %zu)", what,
                   x->r.bad ? x->r.bad_at : x->r.at);
}

static vd_rc read_algorithms(struct reading *x, vd_rd *data, vd_err *err)
{
    vd_rd_skip(data, SPEC_ID_BYTES);
    uint32_t n = vd_rd_u32le(data);
    if (data->bad || n == 0 || n > ALGS_MAX)
        return broken(x, "the first record names no algorithms, or too many", err);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t id = vd_rd_u16le(data);
        uint16_t size = vd_rd_u16le(data);
        if (data->bad || size == 0 || size_of_alg(id) != size)
            return broken(x, "the first record names an unknown algorithm or a wrong size", err);
        x->declared[x->n_declared++] = id;
    }
    vd_rd_skip(data, vd_rd_u8(data)); /* the vendor's */
    if (!vd_rd_end(data))
        return broken(x, "the first record is not as long as it says", err);
    return VD_OK;
}

static vd_rc read_first(struct reading *x, vd_err *err)
{
    vd_rd_skip(&x->r, 4); /* register: 0 and 1 occur, and it is extended nowhere */
    uint32_t type = vd_rd_u32le(&x->r);
    vd_rd_skip(&x->r, SHA1_BYTES);
    vd_rd data = vd_rd_sub(&x->r, vd_rd_u32le(&x->r));
    if (data.bad || type != EVL_NO_ACTION)
        return broken(x, "no first record of a log", err);
    return read_algorithms(x, &data, err);
}

static bool declared(const struct reading *x, uint16_t id)
{
    for (size_t i = 0; i < x->n_declared; i++)
        if (x->declared[i] == id)
            return true;
    return false;
}

/* What the digests of a record were. */
struct digests {
    uint32_t n;
    vd_span ours; /* of the log's algorithm */
    bool zero;
};

static vd_rc read_digests(struct reading *x, struct digests *d, vd_err *err)
{
    uint16_t wanted = alg_id(x->log->alg);
    *d = (struct digests){ .n = vd_rd_u32le(&x->r), .zero = true };
    if (x->r.bad || d->n > DIGESTS_MAX)
        return broken(x, "a record ends early or has too many digests", err);
    for (uint32_t i = 0; i < d->n; i++) {
        uint16_t id = vd_rd_u16le(&x->r);
        vd_span digest = vd_rd_take(&x->r, size_of_alg(id));
        if (x->r.bad || !declared(x, id))
            return broken(x, "a digest ends early or is of an algorithm that is not declared", err);
        d->zero = d->zero && vd_span_zero(digest);
        if (id == wanted)
            d->ours = digest;
    }
    return VD_OK;
}

static vd_rc keep(struct evl_log *l, const struct evl_event *e, vd_err *err)
{
    if (l->n == EVL_EVENTS_MAX)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "event log: more than %d events", EVL_EVENTS_MAX);
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct evl_event *grown = realloc(l->event, cap * sizeof *grown);
        if (!grown)
            return vd_fail(err, VD_E_NOMEM, "event log");
        l->event = grown;
        l->cap = cap;
    }
    l->event[l->n++] = *e;
    return VD_OK;
}

/* Firmware never extends EV_NO_ACTION: it is passed over, and shown only in the one form in which
 * it can be mistaken for nothing else. Every other event must be covered by the replay. */
static vd_rc judge(struct reading *x, const struct evl_event *e, const struct digests *d,
                   vd_err *err)
{
    struct evl_log *l = x->log;
    if (e->type == EVL_NO_ACTION)
        return e->index == 0 && d->n == 1 && d->ours.n > 0 && d->zero ? keep(l, e, err) : VD_OK;
    if (e->index < 1 || e->index > EVL_REGISTERS)
        return vd_fail(
            err, VD_E_EVENT_LOG,
            "event log: event %zu of type 0x%x is in register %u, which no replay covers", l->n,
            (unsigned)e->type, (unsigned)e->index);
    if (d->n != 1 || d->ours.n == 0)
        return vd_fail(err, VD_E_EVENT_LOG,
                       "event log: event %zu of type 0x%x has not exactly one digest of %s", l->n,
                       (unsigned)e->type, vd_hash_name(l->alg));
    return keep(l, e, err);
}

static vd_rc read_event(struct reading *x, vd_err *err)
{
    struct evl_event e = { 0 };
    e.index = vd_rd_u32le(&x->r);
    e.type = vd_rd_u32le(&x->r);
    struct digests d;
    VD_TRY(read_digests(x, &d, err));
    e.data = vd_rd_take(&x->r, vd_rd_u32le(&x->r));
    if (x->r.bad)
        return broken(x, "a record is longer than the log", err);
    if (x->r.at > EVL_USED_MAX)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "event log: more than %d bytes of events",
                       EVL_USED_MAX);
    e.digest = d.ours;
    return judge(x, &e, &d, err);
}

/* Eight bytes of all ones or zeros end a log; a log may also just end. Fewer bytes than a marker
 * are the rest of one. */
static bool at_end(const vd_rd *r)
{
    vd_span next = vd_span_part(r->in, r->at, MARKER);
    bool ones = true;
    for (size_t i = 0; i < next.n; i++)
        ones = ones && next.p[i] == 0xFF;
    return ones || vd_span_zero(next);
}

vd_rc evl_parse(vd_span in, enum vd_hash alg, struct evl_log **ret, vd_err *err)
{
    if (in.n > EVL_BYTES_MAX)
        return vd_fail(err, VD_E_BAD_EVIDENCE, "event log: %zu bytes, at most %d are looked at",
                       in.n, EVL_BYTES_MAX);
    VD_AUTO(evl_free) struct evl_log *l = calloc(1, sizeof *l);
    if (!l)
        return vd_fail(err, VD_E_NOMEM, "event log");
    l->alg = alg;
    struct reading x = { .r = vd_rd_of(in), .log = l };
    VD_TRY(read_first(&x, err));
    while (!at_end(&x.r))
        VD_TRY(read_event(&x, err));
    l->used = vd_span_part(in, 0, x.r.at);
    *ret = VD_TAKE(l);
    return VD_OK;
}

void evl_free(struct evl_log *l)
{
    if (l)
        free(l->event);
    free(l);
}

vd_rc evl_replay(const struct evl_log *l, uint8_t ret[EVL_REGISTERS][VD_HASH_BYTES_MAX],
                 vd_err *err)
{
    uint8_t reg[EVL_REGISTERS][VD_HASH_BYTES_MAX] = { 0 };
    size_t size = vd_hash_size(l->alg);
    for (size_t i = 0; i < l->n; i++) {
        const struct evl_event *e = &l->event[i];
        if (e->type == EVL_NO_ACTION)
            continue;
        uint8_t *to = reg[e->index - 1];
        const vd_span parts[] = { vd_span_of(to, size), e->digest };
        VD_TRY(vd_hash_parts(l->alg, parts, 2, to, err));
    }
    memcpy(ret, reg, sizeof reg);
    return VD_OK;
}

vd_rc evl_compare(const struct evl_log *l, const uint8_t replayed[EVL_REGISTERS][VD_HASH_BYTES_MAX],
                  const vd_span reg[EVL_REGISTERS], vd_err *err)
{
    size_t differs = EVL_REGISTERS;
    for (size_t i = EVL_REGISTERS; i > 0; i--)
        if (!vd_ct_equal(vd_span_of(replayed[i - 1], vd_hash_size(l->alg)), reg[i - 1]))
            differs = i - 1;
    if (differs < EVL_REGISTERS)
        return vd_fail(err, VD_E_EVENT_LOG, "event log: its events do not give the quote's RTMR%zu",
                       differs);
    return VD_OK;
}
