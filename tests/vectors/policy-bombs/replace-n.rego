package policy

s0 := "aaaaaaaaaaaaaaaa"
s1 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s0)
s2 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s1)
s3 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s2)
s4 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s3)
s5 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s4)
s6 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s5)
s7 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s6)
s8 := strings.replace_n({"a": "aaaaaaaaaaaaaaaa"}, s7)
allow if s8 == ""
