vd_fuzz(initdata LIBS iss_appraise)
vd_fuzz(refvalue LIBS iss_rvps)
vd_fuzz(trust_vector LIBS iss_appraise)
