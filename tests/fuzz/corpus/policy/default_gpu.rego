# Default appraisal of a GPU's evidence: NVIDIA, by the claims of its attestation service. Any other
# device, the sample device among them, stays at the defaults and is contraindicated.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

# Firmware and driver are those of NVIDIA's signed manifests, and measured as these say.
executables := 3 if {
	input.nvidia.measres == "success"
	input.nvidia["x-nvidia-gpu-vbios-rim-cert-chain"]["x-nvidia-cert-ocsp-status"] == "good"
	input.nvidia["x-nvidia-gpu-vbios-rim-cert-chain"]["x-nvidia-cert-status"] == "valid"
	input.nvidia["x-nvidia-gpu-vbios-rim-fetched"] == true
	input.nvidia["x-nvidia-gpu-vbios-rim-measurements-available"] == true
	input.nvidia["x-nvidia-gpu-vbios-rim-schema-validated"] == true
	input.nvidia["x-nvidia-gpu-vbios-rim-signature-verified"] == true
	input.nvidia["x-nvidia-gpu-vbios-rim-version-match"] == true
	input.nvidia["x-nvidia-gpu-driver-rim-fetched"] == true
	input.nvidia["x-nvidia-gpu-driver-rim-measurements-available"] == true
	input.nvidia["x-nvidia-gpu-driver-rim-schema-validated"] == true
	input.nvidia["x-nvidia-gpu-driver-rim-signature-verified"] == true
	input.nvidia["x-nvidia-gpu-driver-rim-version-match"] == true
}

hardware := 2 if {
	input.nvidia["x-nvidia-gpu-attestation-report-cert-chain"]["x-nvidia-cert-ocsp-status"] == "good"
	input.nvidia["x-nvidia-gpu-attestation-report-cert-chain"]["x-nvidia-cert-status"] == "valid"
	input.nvidia["x-nvidia-gpu-attestation-report-cert-chain-fwid-match"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-parsed"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-signature-verified"] == true
	input.nvidia["x-nvidia-gpu-arch-check"] == true
	not distrusted
}

# 2: versions that the reference values approve. 3: any versions.
configuration := 2 if {
	locked
	input.nvidia["x-nvidia-gpu-vbios-version"] in query_reference_value("allowed_vbios_versions")
	input.nvidia["x-nvidia-gpu-driver-version"] in query_reference_value("allowed_driver_versions")
} else := 3 if {
	locked
}

locked if {
	input.nvidia.secboot == true
	input.nvidia.dbgstat == "disabled"
	not distrusted
}

distrusted if {
	input.vidimus.simulated == true
}

distrusted if {
	input.vidimus.debug == true
}

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
	"file-system": 0,
	"instance-identity": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
