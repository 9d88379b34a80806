/* Merkle tree hashes, inclusion paths and their check: RFC 9162 sections 2.1.1 and 2.1.3, SHA-256.
 * Splitting at the largest power of two is the same as pairing neighbours level by level and
 * letting a last odd one rise unchanged, which needs no recursion. */
#include "shared/audit/audit_priv.h"

#include "shared/crypto/hash.h"

vd_rc vd_merkle_leaf(vd_span entry, uint8_t ret[32], vd_err *err)
{
    static const uint8_t mark = 0;
    const vd_span parts[] = { vd_span_of(&mark, 1), entry };
    return vd_hash_parts(VD_SHA256, parts, 2, ret, err);
}

static vd_rc node(const uint8_t left[32], const uint8_t right[32], uint8_t ret[32], vd_err *err)
{
    uint8_t in[65] = { 1 };
    memcpy(in + 1, left, 32);
    memcpy(in + 33, right, 32);
    return vd_hash_of(VD_SHA256, vd_span_of(in, sizeof in), ret, err);
}

vd_rc vd_merkle_add(struct vd_merkle *m, const uint8_t leaf[32], vd_err *err)
{
    uint8_t h[32];
    memcpy(h, leaf, 32);
    unsigned level = 0;
    for (; m->n >> level & 1; level++)
        VD_TRY(node(m->node[level], h, h, err));
    if (level + 1 >= VD_MERKLE_LEVELS)
        return vd_fail(err, VD_E_INTERNAL, "too many leaves");
    memcpy(m->node[level], h, 32);
    m->n++;
    return VD_OK;
}

vd_rc vd_merkle_root(const struct vd_merkle *m, uint8_t ret[32], vd_err *err)
{
    uint8_t h[32];
    bool any = false;
    for (unsigned level = 0; level < VD_MERKLE_LEVELS; level++) {
        if (!(m->n >> level & 1))
            continue;
        if (any)
            VD_TRY(node(m->node[level], h, h, err));
        else
            memcpy(h, m->node[level], 32);
        any = true;
    }
    if (!any)
        return vd_fail(err, VD_E_INTERNAL, "a tree without leaves has no root here");
    memcpy(ret, h, 32);
    return VD_OK;
}

vd_rc vd_merkle_path(uint8_t *leaves, size_t n, size_t index, vd_buf *out, vd_err *err)
{
    while (n > 1) {
        size_t sibling = index ^ 1;
        if (sibling < n)
            vd_buf_add(out, vd_span_of(leaves + 32 * sibling, 32));
        for (size_t i = 0; i + 1 < n; i += 2)
            VD_TRY(node(leaves + 32 * i, leaves + 32 * (i + 1), leaves + 16 * i, err));
        if (n & 1)
            memmove(leaves + 16 * (n - 1), leaves + 32 * (n - 1), 32);
        n = n / 2 + (n & 1);
        index /= 2;
    }
    return vd_buf_check(out, err);
}

vd_rc vd_merkle_follow(const uint8_t leaf[32], uint64_t index, uint64_t n, vd_span path,
                       uint8_t ret[32], vd_err *err)
{
    uint8_t h[32];
    memcpy(h, leaf, 32);
    if (index >= n)
        return vd_fail(err, VD_E_STORE_CORRUPT, "the record is not among the leaves");
    while (n > 1) {
        bool right = index & 1;
        if (right || index + 1 < n) {
            vd_span s = vd_span_part(path, 0, 32);
            if (s.n != 32)
                return vd_fail(err, VD_E_STORE_CORRUPT, "the path is too short");
            path = vd_span_part(path, 32, path.n);
            VD_TRY(node(right ? s.p : h, right ? h : s.p, h, err));
        }
        n = n / 2 + (n & 1);
        index /= 2;
    }
    if (path.n > 0)
        return vd_fail(err, VD_E_STORE_CORRUPT, "the path is too long");
    memcpy(ret, h, 32);
    return VD_OK;
}
