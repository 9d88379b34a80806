package policy

allow if count(numbers.range_step(1, 1000000000, 1)) == 0
