package policy

n := numbers.range(1, 1000)
s0 := "aaaaaaaaaaaaaaaa"
s1 := concat("", [s0, s0])
s2 := concat("", [s1, s1])
s3 := concat("", [s2, s2])
s4 := concat("", [s3, s3])
s5 := concat("", [s4, s4])
s := concat("", [s5, s5])
allow if { some i in n; some j in n; concat(s, [s, s, s, s, s, s, s, s]) == "" }
