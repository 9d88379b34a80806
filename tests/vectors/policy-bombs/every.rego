package policy

a := numbers.range(1, 3000)
allow if { every x in a { every y in a { every z in a { x + y + z > 0 } } } }
