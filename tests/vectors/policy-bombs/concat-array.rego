package policy

n := numbers.range(1, 1000)
a := [x | some i in n; some j in n; x := "0123456789abcdef"]
allow if count(concat(concat("", a), a)) == 1
