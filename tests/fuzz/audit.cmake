vd_fuzz(audit_line LIBS vd_audit)
vd_fuzz(audit_file LIBS vd_audit)
