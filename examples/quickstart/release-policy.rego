# Release for the demo: the broker's default without its refusal of simulated platforms. Never use it for
# real secrets.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	input.vidimus.freshness == "issuer-nonce"
	good_cpu
	not unfit_device
}

good_cpu if {
	input.submods.cpu0["ear.trustworthiness-vector"].executables >= 2
	input.submods.cpu0["ear.trustworthiness-vector"].executables <= 31
	input.submods.cpu0["ear.trustworthiness-vector"].hardware >= 2
	input.submods.cpu0["ear.trustworthiness-vector"].hardware <= 31
	input.submods.cpu0["ear.trustworthiness-vector"].configuration >= 2
	input.submods.cpu0["ear.trustworthiness-vector"].configuration <= 31
}

unfit_device if {
	some device in input.submods
	not device["ear.status"] == "affirming"
}

unfit_device if {
	some device in input.submods
	not device.vidimus.debug == false
}

unfit_device if {
	some device in input.submods
	device.vidimus.tee in ["sample", "sampledevice"]
}
