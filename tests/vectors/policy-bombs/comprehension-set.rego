package policy

a := numbers.range(1, 3000)
allow if count({[x, y] | some x in a; some y in a}) == 1
