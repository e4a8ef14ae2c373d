package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// inNamespace runs the test once more in a network namespace of its own, set up
// by a shell script, and reports true there. Outside it waits for the outcome,
// and reports false.
func inNamespace(t *testing.T, setup string, tools ...string) bool {
	t.Helper()
	const inside = "BIFRONS_NAMESPACE"
	if os.Getenv(inside) != "" {
		return true
	}
	if testing.Short() && os.Getenv("BIFRONS_E2E") != "required" {
		t.Skip("takes programs that take long")
	}
	for _, tool := range append(tools, "unshare", "ip") {
		if _, err := exec.LookPath(tool); err != nil {
			needs(t, tool+" is not installed")
		}
	}
	unshare := []string{"--net", "--kill-child"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		needs(t, "no network namespaces here: "+strings.TrimSpace(string(out)))
	}
	args := append(unshare, "sh", "-ec", setup+"\nexec \"$0\" \"$@\"", os.Args[0],
		"-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	out, err := cmd.CombinedOutput()
	if err != nil || testing.Verbose() {
		t.Logf("%s", out)
	}
	if err != nil {
		t.Errorf("in the namespace: %v", err)
	}
	return false
}
