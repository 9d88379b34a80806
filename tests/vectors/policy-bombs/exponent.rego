package policy

allow if to_number("1e1000000000") == 1
