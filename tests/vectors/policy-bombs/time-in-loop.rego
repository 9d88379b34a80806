package policy

n := numbers.range(1, 1000)
allow if { some i in n; some j in n; time.format([i * 1000000000, "Europe/Berlin"]) == "" }
