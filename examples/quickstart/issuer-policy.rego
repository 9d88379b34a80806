# Appraisal for the demo: an SEV-SNP guest whose launch measurement is known, a TDX guest whose firmware and
# boot registers are known, an SGX enclave whose measurement is known. It does not ask whether the platform is
# simulated, so that the demo runs on any machine: never use it for real secrets.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

executables := 3 if {
	measured
}

hardware := 2 if {
	genuine
	input.vidimus.debug == false
}

configuration := 2 if {
	configured
}

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
}

##### AMD SEV-SNP

measured if {
	input.snp
	input.snp.measurement in query_reference_value("snp_launch_measurement")
}

genuine if {
	input.snp
}

configured if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

##### Intel TDX

measured if {
	input.tdx
	input.tdx.quote.body.mr_td in query_reference_value("mr_td")
	input.tdx.quote.body.rtmr_1 in query_reference_value("rtmr_1")
	input.tdx.quote.body.rtmr_2 in query_reference_value("rtmr_2")
}

genuine if {
	input.tdx.tcb_status == "UpToDate"
	input.tdx.collateral_expiration_status == "0"
}

configured if {
	input.tdx.td_attributes.debug == false
}

##### Intel SGX

measured if {
	input.sgx
	input.sgx.body.mr_enclave in query_reference_value("sgx_mr_enclave")
}

genuine if {
	input.sgx.tcb_status == "UpToDate"
	input.sgx.collateral_expiration_status == "0"
}

configured if {
	input.sgx
	input.vidimus.debug == false
}
