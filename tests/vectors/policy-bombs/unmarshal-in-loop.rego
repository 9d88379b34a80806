package policy

s0 := "{},{},{},{},{},[],"
s1 := concat("", [s0, s0])
s2 := concat("", [s1, s1])
s3 := concat("", [s2, s2])
s4 := concat("", [s3, s3])
s5 := concat("", [s4, s4])
s6 := concat("", [s5, s5])
s7 := concat("", [s6, s6])
s8 := concat("", [s7, s7])
s9 := concat("", [s8, s8])
s := concat("", [s9, s9])
n := numbers.range(1, 1000)
allow if { some i in n; some j in n; count(json.unmarshal(concat("", ["[", s, "1]"]))) == 1 }
