vd_fuzz(broker_claims LIBS brk_passport)
vd_fuzz(broker_relay LIBS brk_api)
vd_fuzz(broker_revocation LIBS brk_passport)
