package policy

s0 := "aaaaaaaaaaaaaaaa"
s1 := replace(s0, "a", "aaaaaaaaaaaaaaaa")
s2 := replace(s1, "a", "aaaaaaaaaaaaaaaa")
s3 := replace(s2, "a", "aaaaaaaaaaaaaaaa")
s4 := replace(s3, "a", "aaaaaaaaaaaaaaaa")
s5 := replace(s4, "a", "aaaaaaaaaaaaaaaa")
s6 := replace(s5, "a", "aaaaaaaaaaaaaaaa")
s7 := replace(s6, "a", "aaaaaaaaaaaaaaaa")
s8 := replace(s7, "a", "aaaaaaaaaaaaaaaa")
allow if s8 == ""
