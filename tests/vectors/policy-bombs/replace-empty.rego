package policy

s0 := "aaaaaaaaaaaaaaaa"
s1 := replace(s0, "", s0)
s2 := replace(s1, "", s1)
s3 := replace(s2, "", s2)
s4 := replace(s3, "", s3)
s5 := replace(s4, "", s4)
allow if s5 == ""
