package policy

a := product([x | some i in numbers.range(1, 20000); x := 1000003])
b := product([x | some i in numbers.range(1, 2000); x := a])
allow if b == 0
