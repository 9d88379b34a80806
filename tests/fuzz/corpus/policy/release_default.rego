# What an owner's secrets need when nobody has set a policy: every device affirming, a cpu with good
# executables, hardware and configuration, evidence made for a nonce of the issuer, nothing simulated,
# nothing in debug mode, no sample evidence.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	input.vidimus.freshness == "issuer-nonce"
	input.vidimus.simulated == false
	good_cpu
	not unfit_device
}

# Trust vector values 2 to 31 affirm; 0 and 1 say nothing, and would leave the status affirming.
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

unfit_device if {
	some device in input.submods
	some tee, _ in device["ear.veraison.annotated-evidence"]
	tee in ["sample", "sampledevice"]
}
