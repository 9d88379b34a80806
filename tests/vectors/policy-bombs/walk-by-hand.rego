package policy

a := [[x, y] | some x in numbers.range(1, 2000); some y in numbers.range(1, 2000)]
allow if { some i, j; a[i][j] == -1 }
