vd_fuzz(dcap_files LIBS iss_tee)
vd_fuzz(bundle LIBS iss_collateral)
