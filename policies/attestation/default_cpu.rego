# Default appraisal of a CPU's evidence. A platform that matches nothing here stays at the three defaults
# below and is contraindicated. Reference values are asked for by name; an unknown one is null. Each rule
# names its platform first, so that no values are looked up for the others.
#
# input.<tee> holds the verifier's claims; input.vidimus says what the issuer knows beside them: debug and
# simulated platforms keep the worst hardware and configuration whatever their claims are. The sample
# TEE, which proves nothing, is exempt so that its rows can be tried; release policies refuse it.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

# 3: everything that runs is approved. 4: approved firmware and boot loader chose what else runs.
executables := 3 if {
	measured
} else := 4 if {
	tdx_boot_loader
}

hardware := 2 if {
	genuine
	not distrusted
}

# 2: as the reference values say. 3: without known weakness. 0: nothing is said.
configuration := 0 if {
	input.tpm
	not distrusted
} else := 2 if {
	configured
	not distrusted
} else := 3 if {
	acceptable
	not distrusted
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

distrusted if {
	input.vidimus.simulated == true
	not input.sample
}

distrusted if {
	input.vidimus.debug == true
	not input.sample
}

##### sample

measured if {
	input.sample
	input.sample.launch_digest in query_reference_value("launch_digest")
}

genuine if {
	input.sample
	input.sample.svn in query_reference_value("svn")
	input.sample.platform_version.major == query_reference_value("major_version")
	minimum := query_reference_value("minimum_minor_version")
	minimum != null
	input.sample.platform_version.minor >= minimum
}

configured if {
	input.sample.debug == false
}

##### AMD SEV-SNP

measured if {
	input.snp
	input.snp.measurement in query_reference_value("snp_launch_measurement")
}

genuine if {
	input.snp
	input.snp.reported_tcb_bootloader in query_reference_value("snp_bootloader")
	input.snp.reported_tcb_microcode in query_reference_value("snp_microcode")
	input.snp.reported_tcb_snp in query_reference_value("snp_snp_svn")
	input.snp.reported_tcb_tee in query_reference_value("snp_tee_svn")
}

configured if {
	input.snp
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
	input.snp.platform_smt_enabled == query_reference_value("snp_smt_enabled")
	input.snp.platform_tsme_enabled == query_reference_value("snp_tsme_enabled")
	input.snp.policy_abi_major == query_reference_value("snp_guest_abi_major")
	input.snp.policy_abi_minor == query_reference_value("snp_guest_abi_minor")
	input.snp.policy_single_socket == query_reference_value("snp_single_socket")
	input.snp.policy_smt_allowed == query_reference_value("snp_smt_allowed")
}

acceptable if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

##### Intel TDX

measured if {
	tdx_boot_loader
	tdx_kernel
	tdx_kernel_parameters
}

tdx_boot_loader if {
	input.tdx
	input.tdx.quote.body.rtmr_1 in query_reference_value("rtmr_1")
	input.tdx.quote.body.rtmr_2 in query_reference_value("rtmr_2")
}

tdx_kernel if {
	some event in input.tdx.uefi_event_logs
	event.type_name == "EV_EFI_BOOT_SERVICES_APPLICATION"
	"File(kernel)" in event.details.device_paths
	some digest in event.digests
	digest.digest == query_reference_value("tdvfkernel")
}

tdx_kernel_parameters if {
	some event in input.tdx.uefi_event_logs
	event.type_name == "EV_EVENT_TAG"
	event.details.string == "LOADED_IMAGE::LoadOptions"
	some digest in event.digests
	digest.digest == query_reference_value("tdvfkernelparams")
}

genuine if {
	input.tdx
	input.tdx.quote.header.tee_type == "81000000"
	input.tdx.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	input.tdx.tcb_status == "UpToDate"
	input.tdx.collateral_expiration_status == "0"
	input.tdx.quote.body.mr_td in query_reference_value("mr_td")
}

configured if {
	input.tdx
	input.tdx.td_attributes.debug == false
	not tdx_movable
	input.tdx.quote.body.xfam in query_reference_value("xfam")
}

# A service TD that the issuer's settings do not list can take the TD to another host.
tdx_movable if {
	input.tdx.migratable == true
	not input.tdx.service_td_listed == true
}

##### Intel SGX: an enclave by its measurement, or by its signer with the product and the lowest version

measured if {
	input.sgx
	input.sgx.body.mr_enclave in query_reference_value("sgx_mr_enclave")
}

measured if {
	input.sgx
	input.sgx.body.mr_signer in query_reference_value("sgx_mr_signer")
	input.sgx.isv_prod_id in query_reference_value("sgx_isv_prod_id")
	minimum := query_reference_value("sgx_min_isv_svn")
	minimum != null
	input.sgx.isv_svn >= minimum
}

genuine if {
	input.sgx
	input.sgx.header.att_key_data_0 == "00000000"
	input.sgx.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	input.sgx.collateral_expiration_status == "0"
	sgx_tcb
}

sgx_tcb if {
	input.sgx.tcb_status == "UpToDate"
}

# Many processors never get beyond "SWHardeningNeeded": who accepts that says so.
sgx_tcb if {
	input.sgx.tcb_status in query_reference_value("sgx_tcb_status")
}

configured if {
	sgx_ordinary
	input.sgx.body["attributes.xfrm"] in query_reference_value("sgx_xfrm")
	input.sgx.body.config_id in query_reference_value("sgx_config_id")
}

acceptable if {
	sgx_ordinary
}

sgx_ordinary if {
	input.sgx.attributes.debug == false
	input.sgx.attributes.provision_key == false
	input.sgx.attributes.einittoken_key == false
}

##### Azure SEV-SNP with a vTPM: every claim is a string

measured if {
	input["az-snp-vtpm"]
	input["az-snp-vtpm"].measurement in query_reference_value("measurement")
	input["az-snp-vtpm"].tpm.pcr11 in query_reference_value("snp_pcr11")
}

genuine if {
	input["az-snp-vtpm"]
	input["az-snp-vtpm"].reported_tcb_bootloader in query_reference_value("tcb_bootloader")
	input["az-snp-vtpm"].reported_tcb_microcode in query_reference_value("tcb_microcode")
	input["az-snp-vtpm"].reported_tcb_snp in query_reference_value("tcb_snp")
	input["az-snp-vtpm"].reported_tcb_tee in query_reference_value("tcb_tee")
}

configured if {
	input["az-snp-vtpm"]
	input["az-snp-vtpm"].platform_smt_enabled in query_reference_value("smt_enabled")
	input["az-snp-vtpm"].platform_tsme_enabled in query_reference_value("tsme_enabled")
	input["az-snp-vtpm"].policy_abi_major in query_reference_value("abi_major")
	input["az-snp-vtpm"].policy_abi_minor in query_reference_value("abi_minor")
	input["az-snp-vtpm"].policy_single_socket in query_reference_value("single_socket")
	input["az-snp-vtpm"].policy_smt_allowed in query_reference_value("smt_allowed")
}

##### Azure TDX with a vTPM

measured if {
	input["az-tdx-vtpm"]
	input["az-tdx-vtpm"].tpm.pcr11 in query_reference_value("tdx_pcr11")
}

genuine if {
	input["az-tdx-vtpm"]
	input["az-tdx-vtpm"].quote.header.tee_type == "81000000"
	input["az-tdx-vtpm"].quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	input["az-tdx-vtpm"].tcb_status == "UpToDate"
	input["az-tdx-vtpm"].quote.body.mr_td in query_reference_value("mr_td")
}

configured if {
	input["az-tdx-vtpm"]
	input["az-tdx-vtpm"].quote.body.xfam in query_reference_value("xfam")
}

##### TPM 2.0

measured if {
	input.tpm
	input.tpm.pcr11 in query_reference_value("tpm_pcr11")
	input.tpm.ak_public in query_reference_value("trusted_aks")
}

genuine if {
	input.tpm
}

##### IBM Secure Execution: its verifier has compared everything already

measured if {
	input.se
}

genuine if {
	input.se
}

configured if {
	input.se
}

##### What the kata agent's policy, bound as init data, says about the containers

extensions := [{
	"name": "ear.trustee.identifiers",
	"key": -18,
	"value": {"validated": validated},
}]

validated := {"container_images": images, "container_uids": uids} if {
	images != []
	uids != []
} else := {"container_images": images} if {
	images != []
} else := {"container_uids": uids} if {
	uids != []
} else := {}

images := [image |
	some container in input.init_data_claims.agent_policy_claims.containers
	some key, image in container.OCI.Annotations
	key == "io.kubernetes.cri.image-name"
]

uids := [uid |
	some container in input.init_data_claims.agent_policy_claims.containers
	some key, uid in container.OCI.Process.User
	key == "UID"
]
