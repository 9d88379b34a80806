package policy

f(x) := f({"k": x})
allow if f({}) with input as {}
