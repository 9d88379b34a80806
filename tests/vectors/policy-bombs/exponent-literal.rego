package policy

allow if 1e400000000 == 1
