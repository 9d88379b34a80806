package policy

n := numbers.range(1, 1000)
allow if { some i in n; some j in n; bits.lsh(1, 4000000 + i) == 0 }
