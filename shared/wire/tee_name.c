/* The `tee` strings of the KBS protocol, with the spellings that older clients send. */
#include "shared/wire/kbs.h"

const char *vd_kbs_tee_name(vd_span name)
{
    static const struct {
        const char *sent;
        const char *canonical;
    } names[] = {
        { "az-snp-vtpm", "az-snp-vtpm" },
        { "azsnpvtpm", "az-snp-vtpm" },
        { "az-tdx-vtpm", "az-tdx-vtpm" },
        { "aztdxvtpm", "az-tdx-vtpm" },
        { "nvidia", "nvidia" },
        { "sgx", "sgx" },
        { "snp", "snp" },
        { "tdx", "tdx" },
        { "cca", "cca" },
        { "csv", "csv" },
        { "se", "se" },
        { "hygondcu", "hygondcu" },
        { "tpm", "tpm" },
        { "sample", "sample" },
        { "sampledevice", "sampledevice" },
        { "nvidia-dpu", "nvidia-dpu" },
        { "nvidiadpu", "nvidia-dpu" },
        { "dpu", "nvidia-dpu" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (vd_span_eq_str(name, names[i].sent))
            return names[i].canonical;
    return NULL;
}
