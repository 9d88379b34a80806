# Any resource to a guest all of whose devices are affirming; it has at least one. What each device had to
# show for that is the issuer's policy.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	some_device
	not unfit_device
}

some_device if {
	some _ in input.submods
}

unfit_device if {
	some device in input.submods
	not device["ear.status"] == "affirming"
}
