# Any resource to any guest with a passport that the broker accepts, whatever it says. For trials.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
}
