package policy

s0 := "0123456789abcdef"
s1 := base64.encode(concat("", [s0, s0, s0]))
s2 := base64.encode(concat("", [s1, s1, s1]))
s3 := base64.encode(concat("", [s2, s2, s2]))
s4 := base64.encode(concat("", [s3, s3, s3]))
s5 := base64.encode(concat("", [s4, s4, s4]))
s6 := base64.encode(concat("", [s5, s5, s5]))
s7 := base64.encode(concat("", [s6, s6, s6]))
s8 := base64.encode(concat("", [s7, s7, s7]))
s9 := base64.encode(concat("", [s8, s8, s8]))
s10 := base64.encode(concat("", [s9, s9, s9]))
s11 := base64.encode(concat("", [s10, s10, s10]))
s12 := base64.encode(concat("", [s11, s11, s11]))
s13 := base64.encode(concat("", [s12, s12, s12]))
s14 := base64.encode(concat("", [s13, s13, s13]))
s15 := base64.encode(concat("", [s14, s14, s14]))
s16 := base64.encode(concat("", [s15, s15, s15]))
s17 := base64.encode(concat("", [s16, s16, s16]))
allow if s17 == ""
