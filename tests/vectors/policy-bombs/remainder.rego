package policy

n0 := 99999999999999999999
n1 := n0 * n0
n2 := n1 * n1
n3 := n2 * n2
n4 := n3 * n3
n5 := n4 * n4
n6 := n5 * n5
n7 := n6 * n6
n8 := n7 * n7
n9 := n8 * n8
n10 := n9 * n9
n11 := n10 * n10
n12 := n11 * n11
n13 := n12 * n12
n14 := n13 * n13
n15 := n14 * n14
n16 := n15 * n15
n17 := n16 * n16
allow if { some i in numbers.range(1, 100000); (n17 % (n16 + i)) == 1 }
