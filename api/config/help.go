package config

import (
	"fmt"
	"io"
	"strings"

	"bifrons/api/module"
)

// command is a sub-command.
type command struct {
	name, args string
	brief      string // for the list
	text       string // for its own help, in lines of one paragraph
}

var commands = []command{
	{"", "[options]", "run the server", `
Reads the configuration in /etc/janus, or in the folder that -F names, and runs until
SIGTERM or SIGINT. Without any file, HTTP listens on port 8088 and WebSockets on 8188.
SIGTERM waits for sessions to end (--drain-timeout), a second signal ends the wait, and
SIGHUP reads the files again.`},
	{"check", "[options]", "check the configuration and list its problems", `
Says what the server would understand of its files, what it ignores, what is not protected
and what is wrong, and starts nothing. The exit code is 1 if the server would not start.
Takes the options of the server.`},
	{"doctor", "[options]", "check the machine and the network for the server", `
Tries limits, ports, certificates and the STUN server, shows the candidates that browsers
are told, and names the remedy for each problem. The exit code is 1 if there is one.
Takes the options of the server.`},
	{"help", "[check|doctor|man|completion]", "explain a command", `
Without an argument it lists the options. "help man" writes a manual page for man(1), and
"help completion" what completes options in bash: . <(bifrons help completion)`},
}

// IsCommand reports whether a word is a sub-command.
func IsCommand(word string) bool { return word != "" && find(word) != nil }

func find(name string) *command {
	for i := range commands {
		if commands[i].name == name {
			return &commands[i]
		}
	}
	return nil
}

func (c *command) usage() string { return join("bifrons", c.name) + " " + c.args }

func join(a, b string) string { return strings.TrimSpace(a + " " + b) }

// Help writes the help about a topic: a sub-command, "man", "completion" or "" for the
// options. It returns false if there is no such topic.
func Help(w io.Writer, topic string) bool {
	switch c := find(topic); {
	case topic == "":
		usage(w)
	case topic == "man":
		manual(w)
	case topic == "completion":
		completion(w)
	case c == nil:
		return false
	default:
		fmt.Fprintf(w, "Usage: %s\n%s\n", c.usage(), c.text)
	}
	return true
}

// usage writes the list of commands and options.
func usage(w io.Writer) {
	fmt.Fprint(w, "bifrons, a WebRTC server that speaks the Janus API\n\n")
	for i := range commands {
		c, before := &commands[i], "       "
		if i == 0 {
			before = "Usage: "
		}
		args := c.args
		if c.name == "help" {
			args = "[command]"
		}
		fmt.Fprintf(w, "%s%-26s %s\n", before, join("bifrons", c.name)+" "+args, c.brief)
	}
	fmt.Fprintln(w)
	for i := range optionTable {
		opt := &optionTable[i]
		left := "      "
		if opt.short != 0 {
			left = fmt.Sprintf("  -%c, ", opt.short)
		}
		left += "--" + opt.long
		if opt.arg != "" {
			left += "=" + opt.arg
		}
		fmt.Fprintf(w, "%-38s %s\n", left, opt.about())
	}
}

// about is the help text of an option.
func (o *option) about() string {
	if isPendingOption(o) || isPendingKey(o.key) {
		return o.help + " (not supported yet)"
	}
	return o.help
}

func isPendingKey(key string) bool {
	section, key, _ := strings.Cut(key, ".")
	return pendingIn("", section)[key]
}

// manual writes a page in the format of man(7).
func manual(w io.Writer) {
	text := strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace
	fmt.Fprintf(w, ".TH BIFRONS 1 \"\" \"bifrons %s\"\n.SH NAME\nbifrons \\- WebRTC server that speaks the Janus API\n.SH SYNOPSIS\n", module.Version)
	for i := range commands {
		c := &commands[i]
		fmt.Fprintf(w, ".B %s\n%s\n.br\n", join("bifrons", c.name), text(c.args))
	}
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	for i := range commands {
		c := &commands[i]
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", join("bifrons", c.name), text(strings.TrimSpace(c.text)))
	}
	fmt.Fprint(w, ".SH OPTIONS\nThey override the settings of the file.\n")
	for i := range optionTable {
		opt := &optionTable[i]
		fmt.Fprint(w, ".TP\n")
		if opt.short != 0 {
			fmt.Fprintf(w, "\\fB\\-%c\\fR, ", opt.short)
		}
		fmt.Fprintf(w, "\\fB\\-\\-%s\\fR", text(opt.long))
		if opt.arg != "" {
			fmt.Fprintf(w, "=\\fI%s\\fR", text(opt.arg))
		}
		fmt.Fprintf(w, "\n%s\n", text(opt.about()))
	}
	fmt.Fprint(w, ".SH FILES\n.TP\n.I /etc/janus/janus.jcfg\nthe main file; transports, plugins and event handlers have files of their own beside it\n"+
		".SH SEE ALSO\nThe folder docs of the source has pages on configuration, operation and troubleshooting.\n")
}

// completion writes a script for bash.
func completion(w io.Writer) {
	var words []string
	for _, c := range commands[1:] {
		words = append(words, c.name)
	}
	for i := range optionTable {
		words = append(words, "--"+optionTable[i].long)
	}
	fmt.Fprintf(w, "complete -o default -W '%s' bifrons\n", strings.Join(words, " "))
}

// Banner writes the lines of --version. Those of Janus have the form that scripts look
// for.
func Banner(w io.Writer) {
	commit, compiled := module.Build()
	fmt.Fprintf(w, "bifrons %s, a WebRTC server that speaks the Janus API\n", module.Version)
	fmt.Fprintf(w, "Janus version: %d (%s)\n", module.APIVersion, module.APIVersionString)
	fmt.Fprintf(w, "Janus commit: %s\n", commit)
	fmt.Fprintf(w, "Compiled on:  %s\n", compiled)
}
