package policy

a := numbers.range(1, 3000)
s contains [x, y] if { some x in a; some y in a }
allow if count(s) == 1
