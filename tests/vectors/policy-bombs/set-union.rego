package policy

a := {x | some x in numbers.range(1, 20000)}
n := numbers.range(1, 1000)
allow if { some i in n; some j in n; count(a | {0 - i}) == 1 }
