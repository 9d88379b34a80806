package policy

allow if sprintf("%1000000000d", [1]) == ""
