package policy

f(x) := f(x + 1) + f(x + 2)
allow if f(1) with input as {}
