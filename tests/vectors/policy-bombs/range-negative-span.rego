package policy

allow if sum(numbers.range(-900000000, 900000000)) == 1
