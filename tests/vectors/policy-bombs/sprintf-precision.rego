package policy

allow if sprintf("%.1000000000f", [1.5]) == ""
