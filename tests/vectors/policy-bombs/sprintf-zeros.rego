package policy

allow if sprintf("%01000000000d", [1]) == ""
