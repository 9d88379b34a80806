/* Phases of passport keys; see phase.h. */
#include "issuer/passport/phase.h"

const char *iss_phase_name(enum iss_phase p)
{
    static const char *const name[] = {
        [ISS_PHASE_NEXT] = "next",         [ISS_PHASE_ACTIVE] = "active",
        [ISS_PHASE_RETIRING] = "retiring", [ISS_PHASE_RETIRED] = "retired",
        [ISS_PHASE_REVOKED] = "revoked",
    };
    _Static_assert(sizeof name / sizeof name[0] == ISS_PHASE_MAX, "one name each");
    return name[p];
}

/* Does it ever sign? A key that was revoked before its time replaces nobody. */
static bool signs(const struct iss_times *k)
{
    return k->revoked_at == 0 || k->revoked_at > k->active_at;
}

static bool behind(const struct iss_times *k, size_t a, size_t b)
{
    return k[a].active_at > k[b].active_at || (k[a].active_at == k[b].active_at && a > b);
}

/* When another key takes over from key i; INT64_MAX: none is in sight. */
static int64_t superseded_at(const struct iss_times *k, size_t n, size_t i)
{
    int64_t at = INT64_MAX;
    for (size_t j = 0; j < n; j++)
        if (j != i && signs(&k[j]) && behind(k, j, i) && k[j].active_at < at)
            at = k[j].active_at;
    return at;
}

int64_t iss_phase_retires_at(const struct iss_times *k, size_t n, size_t i, uint64_t overlap)
{
    int64_t at = superseded_at(k, n, i);
    return at == INT64_MAX ? 0 : at + (int64_t)(k[i].life + overlap);
}

enum iss_phase iss_phase_of(const struct iss_times *k, size_t n, size_t i, uint64_t overlap,
                            int64_t now)
{
    if (k[i].revoked_at)
        return ISS_PHASE_REVOKED;
    if (k[i].active_at > now)
        return ISS_PHASE_NEXT;
    int64_t over = superseded_at(k, n, i);
    if (over > now)
        return ISS_PHASE_ACTIVE;
    return now < over + (int64_t)(k[i].life + overlap) ? ISS_PHASE_RETIRING : ISS_PHASE_RETIRED;
}

size_t iss_phase_active(const struct iss_times *k, size_t n, int64_t now)
{
    for (size_t i = 0; i < n; i++)
        if (iss_phase_of(k, n, i, 0, now) == ISS_PHASE_ACTIVE)
            return i;
    return n;
}

int64_t iss_phase_changes_at(const struct iss_times *k, size_t n, uint64_t overlap, int64_t now)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        int64_t retires = iss_phase_retires_at(k, n, i, overlap);
        if (signs(&k[i]) && k[i].active_at > now && k[i].active_at < at)
            at = k[i].active_at;
        if (k[i].revoked_at == 0 && retires > now && retires < at)
            at = retires;
    }
    return at;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t iss_phase_activation(const struct iss_times *k, size_t n, uint64_t publish_before,
                             int64_t now)
{
    int64_t at = now + (int64_t)publish_before;
    for (size_t i = 0; i < n; i++)
        if (k[i].revoked_at == 0)
            at = later(at, k[i].active_at + 1);
    return at;
}

int64_t iss_phase_due(const struct iss_times *k, size_t n, uint64_t every, uint64_t publish_before,
                      int64_t now)
{
    size_t active = iss_phase_active(k, n, now);
    if (every == 0 || active == n)
        return INT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (iss_phase_of(k, n, i, 0, now) == ISS_PHASE_NEXT)
            return INT64_MAX;
    return k[active].active_at + (int64_t)every - (int64_t)publish_before;
}
