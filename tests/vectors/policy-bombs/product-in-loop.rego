package policy

n := numbers.range(1, 1000)
allow if { some i in n; some j in n; product(n) == i }
