package policy

a := numbers.range(1, 1000)
allow if count([[[[x | some x in a] | some y in a] | some z in a] | some w in a]) == 1
