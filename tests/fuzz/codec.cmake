vd_fuzz(json LIBS vd_codec vd_base)
vd_fuzz(b64 LIBS vd_codec vd_base)
