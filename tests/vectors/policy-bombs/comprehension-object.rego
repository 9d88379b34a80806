package policy

a := numbers.range(1, 3000)
allow if count({k: x | some x in a; some y in a; k := sprintf("%d-%d", [x, y])}) == 1
