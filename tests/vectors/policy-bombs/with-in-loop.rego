package policy

n := numbers.range(1, 1000)
f if { some i in n; i == input.n }
allow if { some i in n; some j in n; f with input as {"n": 0 - (i + j)} }
