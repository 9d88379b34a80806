/* Taking files apart into documents, CRLs and certificates; nothing is judged here. */
#pragma once

#include "issuer/tee/dcap/collateral_priv.h"

enum { DCAP_SORT_PIECES = 8192, DCAP_SORT_CERTS = 2048 };

struct dcap_found_piece {
    enum dcap_piece piece; /* a CRL is DCAP_PIECE_PCKCRL, whoever's it is */
    size_t file;
    vd_buf body; /* document as signed and served; CRL as DER */
};
struct dcap_sorter {
    struct dcap_found_piece *piece;
    size_t n_pieces;
    size_t cap_pieces;
    struct vd_cert **cert; /* each once */
    size_t n_certs;
    size_t cap_certs;
};
void dcap_sorter_done(struct dcap_sorter *s);
#define DCAP_AUTO_SORTER __attribute__((cleanup(dcap_sorter_done))) struct dcap_sorter
/* ret_known: something of it was understood; left as it is otherwise. VD_E_NOMEM only. */
vd_rc dcap_sorter_file(struct dcap_sorter *s, size_t file, vd_span bytes, bool *ret_known,
                       vd_err *err);
