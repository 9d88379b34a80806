vd_fuzz(http_head LIBS vd_http)
vd_fuzz(uri LIBS vd_http)
