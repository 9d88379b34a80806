package policy

a := numbers.range(1, 20000)
n := numbers.range(1, 1000)
allow if { some i in n; some j in n; count(array.slice(a, i, 20000)) == 1 }
