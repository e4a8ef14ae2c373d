package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// option is an option of a command line.
type option struct {
	short byte // 0 = none
	long  string
	arg   string // how the help calls its argument, "" if it takes none
	env   string // variable that sets it where the command line does not
	help  string
	set   func(text string) error
}

// flag makes the setter of an option without argument.
func flag(v *bool) func(string) error {
	return func(string) error { *v = true; return nil }
}

func text(v *string) func(string) error {
	return func(s string) error { *v = s; return nil }
}

// number makes the setter of a number within bounds.
func number(v *int, low, high int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is no number from %d to %d", s, low, high)
		}
		*v = n
		return nil
	}
}

// parseOptions sets options from the environment and the arguments, and returns the
// arguments that are none: -x, -xVALUE, -x VALUE, --long, --long=VALUE, --long VALUE,
// short ones without argument together; "--" ends them.
func parseOptions(options []option, args []string, getenv func(string) string) (rest []string, err error) {
	for i := range options {
		if o := &options[i]; o.env != "" && getenv(o.env) != "" {
			if err := o.set(getenv(o.env)); err != nil {
				return nil, fmt.Errorf("environment variable %s: %w", o.env, err)
			}
		}
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return append(rest, args...), nil
		case strings.HasPrefix(arg, "--"):
			args, err = parseLong(options, arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = parseShort(options, arg[1:], args)
		default:
			rest = append(rest, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func parseLong(options []option, arg string, args []string) ([]string, error) {
	name, value, has := strings.Cut(arg, "=")
	for i := range options {
		o := &options[i]
		switch {
		case o.long != name:
			continue
		case o.arg == "" && has:
			return nil, fmt.Errorf("option --%s takes no argument", name)
		case o.arg != "" && !has:
			if len(args) == 0 {
				return nil, fmt.Errorf("option --%s needs an argument", name)
			}
			value, args = args[0], args[1:]
		}
		if err := o.set(value); err != nil {
			return nil, fmt.Errorf("option --%s: %w", name, err)
		}
		return args, nil
	}
	return nil, fmt.Errorf("unknown option --%s", name)
}

func parseShort(options []option, bundle string, args []string) ([]string, error) {
next:
	for len(bundle) > 0 {
		name := bundle[0]
		bundle = bundle[1:]
		for i := range options {
			o := &options[i]
			if o.short != name {
				continue
			}
			value := ""
			if o.arg != "" {
				if value = bundle; value == "" {
					if len(args) == 0 {
						return nil, fmt.Errorf("option -%c needs an argument", name)
					}
					value, args = args[0], args[1:]
				}
				bundle = ""
			}
			if err := o.set(value); err != nil {
				return nil, fmt.Errorf("option -%c: %w", name, err)
			}
			continue next
		}
		return nil, fmt.Errorf("unknown option -%c", name)
	}
	return args, nil
}

// printOptions lists options for a help text.
func printOptions(w io.Writer, options []option) {
	fmt.Fprint(w, "\nOptions:\n")
	for _, o := range options {
		names := "    "
		if o.short != 0 {
			names = "-" + string(o.short) + ", "
		}
		names += "--" + o.long
		if o.arg != "" {
			names += "=" + o.arg
		}
		fmt.Fprintf(w, "  %-32s %s", names, o.help)
		if o.env != "" {
			fmt.Fprintf(w, " ($%s)", o.env)
		}
		fmt.Fprintln(w)
	}
}
