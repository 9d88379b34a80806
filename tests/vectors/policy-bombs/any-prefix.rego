package policy

n := numbers.range(1, 1000)
a := [x | some i in n; some j in n; j < 10; x := sprintf("%d-%d", [i, j])]
allow if { some i in n; some j in n; strings.any_prefix_match(a, [concat("", [x, "!"]) | some x in a]) }
