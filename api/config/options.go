package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// option is one option of the command line. Those with a key stand for a
// setting of janus.jcfg.
type option struct {
	short byte // 0 = none
	long  string
	arg   string // name of its argument in the help, "" = takes none
	help  string
	key   string // "section.key" that it overrides
	value string // for the key, "" = the argument
}

// optionTable lists all options in the order of the help.
var optionTable = []option{
	{'h', "help", "", "print this help and exit", "", ""},
	{'V', "version", "", "print the version and exit", "", ""},
	{'C', "config", "FILE", "configuration file to use", "", ""},
	{'F', "configs-folder", "DIR", "folder of the configuration files (default /etc/janus)", "", ""},
	{0, "demos", "DIR", "serve the demo pages in this folder", "", ""},
	{0, "drain-timeout", "SECONDS", "how long SIGTERM waits for sessions to end (default 10)", "", ""},

	{'b', "daemon", "", "run in the background", "general.daemonize", "yes"},
	{'H', "cwd-path", "DIR", "working folder in the background (default /)", "", ""},
	{'p', "pid-file", "FILE", "write the process id to this file, remove it at exit", "general.pid_file", ""},
	{'N', "disable-stdout", "", "do not log to stdout", "general.log_to_stdout", "no"},
	{0, "log-stdout", "", "log to stdout even in the background", "", ""},
	{'L', "log-file", "FILE", "log to this file", "general.log_to_file", ""},
	{'R', "log-rotate-sig", "SIGNAL", "reopen the log file on SIGUSR1 or SIGHUP", "general.log_rotate_sig", ""},
	{'d', "debug-level", "0-7", "how much to log (0 = nothing, 4 = info, 7 = everything)", "general.debug_level", ""},
	{'D', "debug-timestamps", "", "log with the time", "general.debug_timestamps", "yes"},
	{'o', "disable-colors", "", "log without colors", "general.debug_colors", "no"},
	{'M', "debug-locks", "", "log the use of locks", "general.debug_locks", "yes"},

	{'i', "interface", "IP|NAME", "address or interface to use", "general.interface", ""},
	{'P', "plugins-folder", "DIR", "of no effect: plugins are built in", "general.plugins_folder", ""},
	{'n', "server-name", "TEXT", "name of this server in replies to info", "general.server_name", ""},
	{'s', "session-timeout", "SECONDS", "end a session after that long without a request (0 = never)", "general.session_timeout", ""},
	{'m', "reclaim-session-timeout", "SECONDS", "how long a session may be claimed after its transport is gone", "general.reclaim_session_timeout", ""},
	{'l', "check-openfiles-limits", "N", "do not start if fewer files may be open", "general.check_openfiles_limit", ""},
	{'a', "apisecret", "TEXT", "secret that every request has to carry", "general.api_secret", ""},
	{'A', "token-auth", "", "ask for a token in every request", "general.token_auth", "yes"},
	{0, "token-auth-secret", "TEXT", "secret that tokens are signed with", "general.token_auth_secret", ""},
	{'e', "event-handlers", "", "turn event handlers on", "events.broadcast", "yes"},
	{'w', "no-webrtc-encryption", "", "plain RTP, for debugging only", "general.no_webrtc_encryption", "yes"},

	{'c', "cert-pem", "FILE", "certificate for DTLS", "certificates.cert_pem", ""},
	{'k', "cert-key", "FILE", "its key", "certificates.cert_key", ""},
	{'K', "cert-pwd", "TEXT", "its passphrase", "certificates.cert_pwd", ""},

	{'S', "stun-server", "HOST[:PORT]", "STUN server to learn the public address from", "nat.stun_server", ""},
	{'1', "nat-1-1", "IPS", "public addresses to put into candidates", "nat.nat_1_1_mapping", ""},
	{'2', "keep-private-host", "", "keep the private addresses as well", "nat.keep_private_host", "yes"},
	{'E', "ice-enforce-list", "LIST", "interfaces or addresses to use, as prefixes", "nat.ice_enforce_list", ""},
	{'X', "ice-ignore-list", "LIST", "interfaces or addresses not to use, as prefixes", "nat.ice_ignore_list", ""},
	{'f', "full-trickle", "", "send candidates one by one", "nat.full_trickle", "yes"},
	{'I', "ice-lite", "", "be an ICE lite agent", "nat.ice_lite", "yes"},
	{'T', "ice-tcp", "", "offer TCP candidates", "nat.ice_tcp", "yes"},

	{'6', "ipv6-candidates", "", "use IPv6 as well", "media.ipv6", "yes"},
	{'O', "ipv6-link-local", "", "use link-local IPv6 addresses as well", "media.ipv6_linklocal", "yes"},
	{'Q', "min-nack-queue", "MS", "how long packets are kept to answer NACKs, at least", "media.min_nack_queue", ""},
	{'t', "no-media-timer", "SECONDS", "silence after which media counts as gone (0 = off)", "media.no_media_timer", ""},
	{'W', "slowlink-threshold", "N", "lost packets a second that make a slow link (0 = off)", "media.slowlink_threshold", ""},
	{'r', "rtp-port-range", "MIN-MAX", "UDP ports for media", "media.rtp_port_range", ""},
	{'B', "twcc-period", "MS", "time between TWCC reports", "media.twcc_period", ""},
}

// Options is a parsed command line.
type Options struct {
	Help, Version bool
	ConfigFile    string // "" = not given
	ConfigsFolder string // "" = not given
	Demos         string // folder of the demo pages, "" = none
	WorkingFolder string // of a daemon, "" = /
	LogStdout     bool   // log to stdout even as a daemon
	// DrainTimeout is how long a server that is to stop waits for its sessions.
	DrainTimeout time.Duration

	settings []optionValue
}

// optionValue is an option that was given.
type optionValue struct {
	option *option
	arg    string
}

const defaultDrain = 10 * time.Second

// commandLine is the file name in problems of the command line.
const commandLine = "command line"

// set takes note of an option.
func (o *Options) set(opt *option, arg string) error {
	switch opt.long {
	case "help":
		o.Help = true
	case "version":
		o.Version = true
	case "config":
		o.ConfigFile = arg
	case "configs-folder":
		o.ConfigsFolder = arg
	case "demos":
		o.Demos = arg
	case "cwd-path":
		o.WorkingFolder = arg
	case "log-stdout":
		o.LogStdout = true
	case "drain-timeout":
		n, err := strconv.ParseUint(arg, 10, 31)
		if err != nil {
			return fmt.Errorf("option --drain-timeout needs a number of seconds, not %q", arg)
		}
		o.DrainTimeout = time.Duration(n) * time.Second
	}
	o.settings = append(o.settings, optionValue{opt, arg})
	return nil
}

// Apply overrides settings with those of the command line, and returns
// its problems, and those of settings taken together.
func (o *Options) Apply(s *Server) []Problem {
	groups := make(map[string]*Group)
	var problems []Problem
	names := make(map[string]string) // setting to option
	for _, v := range o.settings {
		opt := v.option
		if opt.key == "" {
			if isPendingOption(opt) {
				problems = append(problems, Problem{File: commandLine, Key: "--" + opt.long,
					Text: "is known to Janus but not supported yet", Warning: true})
			}
			continue
		}
		category, key, _ := strings.Cut(opt.key, ".")
		g := groups[category]
		if g == nil {
			g = &Group{Name: category}
			groups[category] = g
		}
		text := v.arg
		if opt.value != "" {
			text = opt.value
		}
		names[opt.key] = "--" + opt.long
		if opt.long == "stun-server" {
			if host, port, err := net.SplitHostPort(text); err == nil {
				text = host
				names["nat.stun_port"] = "--" + opt.long
				g.put(&Item{Name: "stun_port", File: commandLine, Text: port})
			}
			text = strings.Trim(text, "[]")
		}
		g.put(&Item{Name: key, File: commandLine, Text: text})
	}
	for _, sec := range s.sections() {
		if g := groups[sec.name]; g != nil {
			problems = append(problems, decodeSection(g, "", sec)...)
		}
	}
	s.finish(commandLine)
	for i := range problems {
		p := &problems[i]
		if option := names[joinKey(p.Section, p.Key)]; option != "" {
			p.Section, p.Key = "", option
		}
	}
	return append(problems, s.check()...)
}

func isPendingOption(opt *option) bool {
	for _, name := range pending {
		if name == "--"+opt.long {
			return true
		}
	}
	return false
}

// ParseArgs reads the arguments behind the program's name in the manner of GNU
// getopt_long: -Df, -d5, -d 5, --debug-level=5, --debug-level 5, and long
// names shortened as far as they stay clear. Of one option given twice the
// last counts.
func ParseArgs(args []string) (*Options, error) {
	o := &Options{DrainTimeout: defaultDrain}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			if len(args) > 0 {
				return nil, fmt.Errorf("unexpected argument %q", args[0])
			}
		case strings.HasPrefix(arg, "--"):
			args, err = o.parseLong(arg[2:], args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			args, err = o.parseShort(arg[1:], args)
		default:
			err = fmt.Errorf("unexpected argument %q", arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *Options) parseLong(arg string, rest []string) ([]string, error) {
	name, value, hasValue := strings.Cut(arg, "=")
	opt, err := findLong(name)
	switch {
	case err != nil:
		return nil, err
	case opt.arg == "" && hasValue:
		return nil, fmt.Errorf("option --%s takes no argument", opt.long)
	case opt.arg != "" && !hasValue:
		if len(rest) == 0 {
			return nil, fmt.Errorf("option --%s needs an argument %s", opt.long, opt.arg)
		}
		value, rest = rest[0], rest[1:]
	}
	return rest, o.set(opt, value)
}

// parseShort reads a bundle of short options, of which the last may have an
// argument, in the bundle or behind it.
func (o *Options) parseShort(bundle string, rest []string) ([]string, error) {
	for i := range len(bundle) {
		opt := findShort(bundle[i])
		if opt == nil {
			return nil, fmt.Errorf("unknown option %q", "-"+bundle[i:i+1])
		}
		if opt.arg == "" {
			if err := o.set(opt, ""); err != nil {
				return nil, err
			}
			continue
		}
		value := bundle[i+1:]
		if value == "" {
			if len(rest) == 0 {
				return nil, fmt.Errorf("option -%c needs an argument %s", opt.short, opt.arg)
			}
			value, rest = rest[0], rest[1:]
		}
		return rest, o.set(opt, value)
	}
	return rest, nil
}

func findShort(short byte) *option {
	for i := range optionTable {
		if optionTable[i].short == short && short != 0 {
			return &optionTable[i]
		}
	}
	return nil
}

func findLong(name string) (*option, error) {
	var found []*option
	var names []string
	for i := range optionTable {
		opt := &optionTable[i]
		if opt.long == name {
			return opt, nil
		}
		if name != "" && strings.HasPrefix(opt.long, name) {
			found = append(found, opt)
			names = append(names, "--"+opt.long)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("unknown option %q", "--"+name)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("option --%s can be %s", name, orList(names))
}
