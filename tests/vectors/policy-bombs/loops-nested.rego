package policy

a := numbers.range(1, 10000)
allow if { some i in a; some j in a; some k in a; i + j + k == 0 }
