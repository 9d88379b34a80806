package policy

n := numbers.range(1, 1000)
allow if { some i in n; some j in n; regex.match(sprintf("(x%d|[a-z]{1,20}){1,20}$", [(i * 1000) + j]), "zzz") }
