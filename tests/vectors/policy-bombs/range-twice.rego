package policy

allow if count(array.concat(numbers.range(1, 40000000), numbers.range(1, 40000000))) == 0
