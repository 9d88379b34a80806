package policy

allow if regex.match(`((a{1,100}){1,100}){1,100}b`, "aaaa")
