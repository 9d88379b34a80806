package policy

allow if count(numbers.range(1000000000, -1000000000)) == 0
