vd_fuzz(jwk LIBS vd_crypto)
vd_fuzz(jws LIBS vd_crypto)
vd_fuzz(jwe LIBS vd_crypto)
vd_fuzz(x509 LIBS vd_crypto)
