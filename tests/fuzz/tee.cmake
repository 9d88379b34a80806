vd_fuzz(snp_report LIBS iss_tee)
vd_fuzz(snp_json LIBS iss_tee)
vd_fuzz(vek LIBS iss_tee)
vd_fuzz(ccel LIBS iss_tee)
