package policy

f(x) := f(x + 1)
allow if f(1)
