package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"bifrons/bench/internal/netns"
)

const janusConfig = "/etc/janus"

// edit replaces a line of a configuration file.
type edit struct{ file, pattern, with string }

// janusEdits keep the packaged configuration but for the log, the address, and
// settings that would reach out of the namespace.
func janusEdits(dir string) []edit {
	const (
		core = "janus.jcfg"
		in   = netns.InsideAddr
	)
	list := []edit{
		{core, `(?m)^(\s*)configs_folder = .*`, `${1}configs_folder = "` + dir + `"`},
		{core, `(?m)^(\s*)debug_level = .*`, "\tinterface = \"" + in + "\"\n\tdebug_level = 2"},
		{core, `(?m)^nat: \{`, "nat: {\n\tice_enforce_list = \"" + in + "\""},
		{core, `(?m)^plugins: \{`, "plugins: {\n\tdisable = \"libjanus_lua.so,libjanus_duktape.so\""},
		{core, `(?m)^transports: \{`, "transports: {\n\tdisable = \"libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so\""},
		{core, `(?m)^loggers: \{`, "loggers: {\n\tdisable = \"libjanus_jsonlog.so\""},
	}
	list = append(list, edit{"janus.plugin.recordplay.jcfg", `(?m)^(\s*)path = .*`, `${1}path = "` + dir + `/recordings"`})
	for _, plugin := range []string{"sip", "nosip", "audiobridge"} {
		list = append(list, edit{
			"janus.plugin." + plugin + ".jcfg", `(?m)^general: \{`,
			"general: {\n\tlocal_ip = \"" + in + "\"",
		})
	}
	return list
}

// Janus runs the janus that is installed, with the configuration it came with.
// It fails if there is none.
func Janus() (Spec, error) {
	binary, err := exec.LookPath("janus")
	if err != nil {
		return Spec{}, errNoJanus
	}
	if _, err := os.Stat(filepath.Join(janusConfig, "janus.jcfg")); err != nil {
		return Spec{}, fmt.Errorf("%w: %w", errNoJanus, err)
	}
	return Spec{
		Name: "janus", Version: janusVersion(binary), binary: binary,
		args: func(dir string) []string {
			return []string{"-F", dir, "-C", filepath.Join(dir, "janus.jcfg"), "-o"}
		},
		setup: configureJanus,
	}, nil
}

var versionLine = regexp.MustCompile(`(?m)^janus (\S+)|Janus version: .*\(([0-9.]+)\)`)

func janusVersion(binary string) string {
	out, _ := exec.Command(binary, "--version").CombinedOutput()
	m := versionLine.FindStringSubmatch(string(out))
	if m == nil {
		return "unknown"
	}
	return m[1] + m[2]
}

func configureJanus(dir string) error {
	names, err := filepath.Glob(filepath.Join(janusConfig, "*.jcfg"))
	if err != nil {
		return err
	}
	edits := janusEdits(dir)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text, base := string(b), filepath.Base(name)
		for _, e := range edits {
			if e.file == base {
				text = regexp.MustCompile(e.pattern).ReplaceAllString(text, e.with)
			}
		}
		if strings.HasPrefix(base, "janus.eventhandler.") {
			text = strings.ReplaceAll(text, "enabled = true", "enabled = false")
		}
		if err := os.WriteFile(filepath.Join(dir, base), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
