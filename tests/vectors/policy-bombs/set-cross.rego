package policy

a := {x | some x in numbers.range(1, 2000)}
allow if count(union({{[x, y] | some x in a} | some y in a})) == 1
