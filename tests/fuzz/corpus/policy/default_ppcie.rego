# Default appraisal of a protected-PCIe topology of GPUs and switches. The issuer makes this device only
# when the topology is complete; the GPUs and switches in it are appraised as devices of their own.
package policy

import rego.v1

hardware := 97 if {
	distrusted
} else := 0

configuration := 36 if {
	distrusted
} else := 2

distrusted if {
	input.vidimus.simulated == true
}

distrusted if {
	input.vidimus.debug == true
}

trust_claims := {
	"executables": 0,
	"hardware": hardware,
	"configuration": configuration,
	"file-system": 0,
	"instance-identity": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
