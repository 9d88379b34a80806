package policy

a := bits.lsh(1, 50000000)
n := numbers.range(1, 1000)
allow if { some i in n; some j in n; bits.negate(bits.xor(a, i)) == 0 }
