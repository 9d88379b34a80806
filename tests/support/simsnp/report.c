/* The simulated report, field by field; see simsnp.h. */
#include <string.h>

#include "tests/support/simsnp/simsnp.h"

const char *sim_line_name(enum sim_line line)
{
    static const char *const name[SIM_LINE_MAX] = { "Milan", "Genoa", "Turin" };
    return name[line];
}

int sim_line_by_name(const char *name)
{
    for (int i = 0; i < SIM_LINE_MAX; i++)
        if (strcmp(name, sim_line_name((enum sim_line)i)) == 0)
            return i;
    return -1;
}

void sim_report_defaults(enum sim_line line, struct sim_report *ret)
{
    static const struct {
        uint8_t cpuid[3];
        struct sim_tcb tcb;
    } rows[SIM_LINE_MAX] = {
        [SIM_MILAN] = { { 0x19, 0x01, 1 }, { 0, 4, 0, 24, 219 } },
        [SIM_GENOA] = { { 0x19, 0x11, 1 }, { 0, 10, 0, 23, 84 } },
        [SIM_TURIN] = { { 0x1a, 0x02, 1 }, { 1, 1, 1, 4, 71 } },
    };
    struct sim_report r = { .line = line,
                            .version = line == SIM_TURIN ? 5 : 3,
                            .policy = 0x30000,
                            .sig_algo = 1,
                            .plat_info = 0x25,
                            .current = rows[line].tcb,
                            .reported = rows[line].tcb,
                            .committed = rows[line].tcb,
                            .launch = rows[line].tcb,
                            .current_fw = { 40, 55, 1 },
                            .committed_fw = { 40, 55, 1 },
                            .launch_mit = 1,
                            .current_mit = 1 };
    memcpy(r.cpuid, rows[line].cpuid, sizeof r.cpuid);
    memset(r.report_id_ma, 0xff, sizeof r.report_id_ma);
    for (size_t i = 0; i < sizeof r.measurement; i++)
        r.measurement[i] = (uint8_t)(0xa0 + i);
    for (size_t i = 0; i < sizeof r.report_id; i++)
        r.report_id[i] = (uint8_t)(i * 7 + 1);
    size_t id = line == SIM_TURIN ? 8 : 64;
    for (size_t i = 0; i < id; i++)
        r.chip_id[i] = (uint8_t)(0x51 + 3 * i);
    *ret = r;
}

void sim_report_vlek(struct sim_report *r)
{
    r->key_info = (r->key_info & ~UINT32_C(0x1c)) | 1u << 2;
    memset(r->chip_id, 0, sizeof r->chip_id);
}

static void put_le(uint8_t *to, uint64_t v, size_t width)
{
    for (size_t i = 0; i < width; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

static void put_tcb(uint8_t *to, const struct sim_tcb *t, enum sim_line line)
{
    if (line == SIM_TURIN) {
        to[0] = t->fmc;
        to[1] = t->bootloader;
        to[2] = t->tee;
        to[3] = t->snp;
    } else {
        to[0] = t->bootloader;
        to[1] = t->tee;
        to[6] = t->snp;
    }
    to[7] = t->microcode;
}

static void put_fw(uint8_t *to, const struct sim_fw *f)
{
    to[0] = f->build;
    to[1] = f->minor;
    to[2] = f->major;
}

void sim_report_bytes(const struct sim_report *r, uint8_t out[SIM_REPORT])
{
    memset(out, 0, SIM_REPORT);
    put_le(out, r->version, 4);
    put_le(out + 0x004, r->guest_svn, 4);
    put_le(out + 0x008, r->policy, 8);
    memcpy(out + 0x010, r->family_id, 16);
    memcpy(out + 0x020, r->image_id, 16);
    put_le(out + 0x030, r->vmpl, 4);
    put_le(out + 0x034, r->sig_algo, 4);
    put_tcb(out + 0x038, &r->current, r->line);
    put_le(out + 0x040, r->plat_info, 8);
    put_le(out + 0x048, r->key_info, 4);
    memcpy(out + 0x050, r->report_data, 64);
    memcpy(out + 0x090, r->measurement, 48);
    memcpy(out + 0x0c0, r->host_data, 32);
    memcpy(out + 0x0e0, r->id_key_digest, 48);
    memcpy(out + 0x110, r->author_key_digest, 48);
    memcpy(out + 0x140, r->report_id, 32);
    memcpy(out + 0x160, r->report_id_ma, 32);
    put_tcb(out + 0x180, &r->reported, r->line);
    if (r->version >= 3)
        memcpy(out + 0x188, r->cpuid, 3);
    memcpy(out + 0x1a0, r->chip_id, 64);
    put_tcb(out + 0x1e0, &r->committed, r->line);
    put_fw(out + 0x1e8, &r->current_fw);
    put_fw(out + 0x1ec, &r->committed_fw);
    put_tcb(out + 0x1f0, &r->launch, r->line);
    if (r->version >= 5) {
        put_le(out + 0x1f8, r->launch_mit, 8);
        put_le(out + 0x200, r->current_mit, 8);
    }
}
