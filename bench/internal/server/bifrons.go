package server

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"bifrons/bench/internal/netns"
)

// Build compiles a package of this module into dir and returns the binary.
func Build(dir, pkg string) (string, error) {
	bin := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "bifrons/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, out)
	}
	return bin, nil
}

// Bifrons runs a binary that takes the server's command line.
func Bifrons(name, version, binary string) Spec {
	return Spec{
		Name: name, Version: version, binary: binary,
		args:  func(dir string) []string { return []string{"-F", dir} },
		setup: configureBifrons,
	}
}

// Forwarder runs the plain forwarder of pion/webrtc, which is built into dir.
func Forwarder(dir string) (Spec, error) {
	binary, err := Build(dir, "bench/internal/forwarder")
	return Spec{
		Name: "pion", Version: moduleVersion("github.com/pion/webrtc/v4"), Plain: true, binary: binary,
		args:  func(string) []string { return []string{"-addr", netns.InsideAddr, "-port", wsPort} },
		setup: func(string) error { return nil },
	}, err
}

func moduleVersion(path string) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", path).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Revision says which source is measured.
func Revision() string {
	out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Scripts that do the work of the EchoTest.
var (
	//go:embed echo.lua
	echoLua string
	//go:embed echo.js
	echoJS string
)

func configureBifrons(dir string) error {
	files := map[string]string{
		"janus.jcfg": `general: { debug_level = 2, admin_secret = "` + AdminSecret + `" }
nat: { ice_enforce_list = "` + netns.InsideAddr + `" }
`,
		"echo.lua":                        echoLua,
		"echo.js":                         echoJS,
		"janus.plugin.lua.jcfg":           "general: { script = \"" + filepath.Join(dir, "echo.lua") + "\" }\n",
		"janus.plugin.duktape.jcfg":       "general: { script = \"" + filepath.Join(dir, "echo.js") + "\" }\n",
		"janus.plugin.nosip.jcfg":         "general: { local_ip = \"" + netns.InsideAddr + "\" }\n",
		"janus.plugin.sip.jcfg":           "general: { local_ip = \"" + netns.InsideAddr + "\" }\n",
		"janus.plugin.recordplay.jcfg":    "general: { path = \"" + filepath.Join(dir, "recordings") + "\" }\n",
		"janus.transport.http.jcfg":       "general: { http = true, port = 8088 }\nadmin: { admin_http = true, admin_port = " + adminPort + " }\n",
		"janus.transport.websockets.jcfg": "general: { ws = true, ws_port = " + wsPort + " }\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
