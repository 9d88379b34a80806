package policy

allow if count(numbers.range(1, 1000000000)) == 0
