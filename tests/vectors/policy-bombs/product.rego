package policy

allow if product(numbers.range(1, 500000)) == 0
