package policy

f(x) := g([x])
g(x) := f([x])
allow if f(1) with input as {}
