package policy

a := numbers.range(1, 3000)
o[k] := x if { some x in a; some y in a; k := (x * 3000) + y }
allow if count(o) == 1
