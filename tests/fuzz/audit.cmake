vd_fuzz(audit_line LIBS vd_audit)
