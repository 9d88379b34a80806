package policy

a := bits.lsh(1, 100000000)
b := bits.lsh(a, 100000000)
n := numbers.range(1, 1000)
allow if { some i in n; some j in n; bits.or(bits.lsh(b, i), a) == 0 }
