// Command bifrons-rec works on recordings: it does what janus-pp-rec, mjr2pcap, pcap2mjr
// and janus-cfgconv do, called by one of these names or by a sub-command.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bifrons/api/module"
)

func main() {
	p := &program{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, terminal: isTerminal(os.Stdout)}
	os.Exit(p.run(os.Args))
}

// program is what a tool sees of the process.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	terminal       bool // stdout is one
}

// tool is one of the tools. run returns the exit code; as is how it was called.
type tool struct {
	name, alias, about string
	run                func(p *program, as string, args []string) int
}

func tools() []tool {
	return []tool{
		{"pp", "janus-pp-rec", "converts a recording (.mjr) to a file that players open", (*program).postProcess},
		{"mjr2pcap", "mjr2pcap", "converts a recording to a capture for Wireshark", (*program).toPCAP},
		{"pcap2mjr", "pcap2mjr", "takes a stream of RTP out of a capture as a recording", (*program).fromPCAP},
		{"room", "room", "puts all recordings of a folder into one file, in sync", (*program).room},
		{"cfgconv", "janus-cfgconv", "converts configuration files between .cfg and .jcfg", (*program).convertConfig},
	}
}

// run runs the tool that the name of the program or the first argument names.
func (p *program) run(argv []string) int {
	if len(argv) == 0 {
		return p.usage(p.stderr, 1)
	}
	name := strings.TrimSuffix(filepath.Base(argv[0]), ".exe")
	for _, t := range tools() {
		if t.alias == name {
			return t.run(p, name, argv[1:])
		}
	}
	if len(argv) < 2 {
		return p.usage(p.stderr, 1)
	}
	for _, t := range tools() {
		if argv[1] == t.name || argv[1] == t.alias {
			return t.run(p, "bifrons-rec "+t.name, argv[2:])
		}
	}
	switch argv[1] {
	case "help", "-h", "--help":
		if argv[1] == "help" && len(argv) > 2 {
			return p.run([]string{argv[0], argv[2], "--help"})
		}
		return p.usage(p.stdout, 0)
	case "-V", "--version":
		p.banner(p.stdout)
		return 0
	}
	fmt.Fprintf(p.stderr, "bifrons-rec: there is no command %q\n\n", argv[1])
	return p.usage(p.stderr, 1)
}

func (p *program) usage(w io.Writer, code int) int {
	fmt.Fprint(w, "Usage: bifrons-rec COMMAND ARGUMENTS\n\nCommands:\n")
	for _, t := range tools() {
		fmt.Fprintf(w, "  %-10s %s\n", t.name, t.about)
		if t.alias != t.name {
			fmt.Fprintf(w, "  %-10s (also when the program is called %s)\n", "", t.alias)
		}
	}
	fmt.Fprint(w, "\n\"bifrons-rec help COMMAND\" explains each.\n")
	return code
}

// banner returns the line with the version.
func (p *program) banner(w io.Writer) {
	commit, _ := module.Build()
	fmt.Fprintf(w, "bifrons-rec %s, tools for recordings\nJanus version: %d (%s)\nJanus commit: %s\n\n",
		module.Version, module.APIVersion, module.APIVersionString, commit)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && info.Name() != "null"
}
