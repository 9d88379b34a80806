package policy

allow := numbers.range(1, 1000000)
