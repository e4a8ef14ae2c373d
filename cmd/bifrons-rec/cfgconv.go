package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bifrons/api/config"
)

// maxConfig is the size of the largest configuration file that is read, in bytes.
const maxConfig = 16 << 20

// convertConfig is janus-cfgconv.
func (p *program) convertConfig(as string, args []string) int {
	log := p.logger()
	p.banner(p.stdout)
	if len(args) != 2 {
		fmt.Fprintf(p.stdout, "Usage: %s source.[cfg|jcfg] destination.[cfg|jcfg]\n       %s --parse source.[cfg|jcfg]\n", as, as)
		return 1
	}
	source, target := args[0], args[1]
	parse := source == "--parse"
	if parse {
		source, target = target, ""
	}
	for _, name := range []string{source, target} {
		if name != "" && !strings.Contains(filepath.Base(name), ".cfg") && !isJcfg(name) {
			log.err("%s: unsupported file, its name has to end in .cfg or .jcfg", name)
			return 1
		}
	}
	if parse {
		log.info("Parsing:\n   -- IN:  %s", source)
	} else {
		log.info("Converting:\n   -- IN:  %s\n   -- OUT: %s\n", source, target)
	}
	f, err := readConfig(source)
	if err != nil {
		log.err("%v", err)
		return 1
	}
	for _, w := range f.Warnings {
		log.warn("%v", w)
	}
	printConfig(p.stdout, f)
	if !parse {
		if err := writeConfig(log, f, target); err != nil {
			log.err("%v", err)
			return 1
		}
		if f, err = readConfig(target); err != nil {
			log.err("the converted file cannot be read: %v", err)
			return 1
		}
		printConfig(p.stdout, f)
		if info, err := os.Stat(target); err == nil {
			log.info("%s is %d bytes", target, info.Size())
		}
	}
	log.info("Bye!")
	return 0
}

func isJcfg(name string) bool { return strings.Contains(filepath.Base(name), ".jcfg") }

// readConfig reads a file with those that it includes.
func readConfig(path string) (*config.File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return config.Parse(filepath.Base(path), data, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return readFile(name)
	})
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(data) > maxConfig {
		err = fmt.Errorf("%s: larger than %d bytes, which no configuration is", path, maxConfig)
	}
	return data, err
}

// printConfig shows what is in a file.
func printConfig(w io.Writer, f *config.File) {
	fmt.Fprintf(w, "[%s]\n", f.Name)
	printGroup(w, f.Root, 1)
	fmt.Fprintln(w)
}

func printGroup(w io.Writer, g *config.Group, depth int) {
	for it := range g.All() {
		printItem(w, it, depth)
	}
}

func printItem(w io.Writer, it *config.Item, depth int) {
	fmt.Fprint(w, strings.Repeat("    ", depth))
	if it.Name != "" {
		fmt.Fprintf(w, "%s: ", it.Name)
	}
	switch it.Kind {
	case config.Scalar:
		fmt.Fprintln(w, it.Text)
		return
	case config.Nested:
		fmt.Fprintln(w, "{")
		printGroup(w, it.Group, depth+1)
		fmt.Fprintf(w, "%s}\n", strings.Repeat("    ", depth))
		return
	}
	fmt.Fprintln(w, "[")
	for _, e := range it.Items {
		printItem(w, e, depth+1)
	}
	fmt.Fprintf(w, "%s]\n", strings.Repeat("    ", depth))
}

// writeConfig writes what is in a file in the form that the name tells.
func writeConfig(log *logger, f *config.File, path string) error {
	form, mark := marshalINI, ";"
	if isJcfg(path) {
		form, mark = marshalJcfg, "#"
	}
	data, err := form(log, renamed(f.Root))
	if err != nil {
		return fmt.Errorf("%s: cannot be written as %s: %w", f.Name, path, err)
	}
	head := fmt.Appendf(nil, "%s\n%s File automatically generated on %s\n%s\n\n",
		mark, mark, time.Now().Format("Mon Jan _2 15:04:05 2006"), mark)
	return os.WriteFile(path, append(head, data...), 0o644)
}

func marshalJcfg(_ *logger, root *config.Group) ([]byte, error) { return config.Marshal(root) }

// renamed is a copy with the items that count alone, in which categories that begin with
// a positive number, as rooms did in the older form, begin with room-.
func renamed(root *config.Group) *config.Group {
	root = counting(root)
	for i, it := range root.Items {
		digits := strings.TrimLeft(it.Name, "0")
		if it.Kind == config.Nested && digits != "" && digits[0] >= '1' && digits[0] <= '9' {
			named := *it
			named.Name = "room-" + it.Name
			root.Items[i] = &named
		}
	}
	return root
}

// counting is a copy with the items that count alone, on all levels.
func counting(g *config.Group) *config.Group {
	out := &config.Group{Name: g.Name}
	for it := range g.All() {
		out.Items = append(out.Items, countingItem(it))
	}
	return out
}

func countingItem(it *config.Item) *config.Item {
	c := *it
	switch it.Kind {
	case config.Nested:
		c.Group = counting(it.Group)
	case config.List:
		c.Items = nil
		for _, e := range it.Items {
			c.Items = append(c.Items, countingItem(e))
		}
	}
	return &c
}

// marshalINI writes the older form, which has single values in categories alone.
func marshalINI(log *logger, root *config.Group) ([]byte, error) {
	var b bytes.Buffer
	var err error
	// What is outside all categories has to come first.
	for _, it := range root.Items {
		if it.Kind != config.Nested {
			err = errors.Join(err, iniItem(log, &b, it))
		}
	}
	for _, it := range root.Items {
		if it.Kind == config.Nested {
			if strings.ContainsAny(it.Name, "]\r\n;") {
				err = errors.Join(err, fmt.Errorf("%q cannot be the name of a category", it.Name))
			}
			fmt.Fprintf(&b, "[%s]\n", it.Name)
			for _, it := range it.Group.Items {
				err = errors.Join(err, iniItem(log, &b, it))
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), err
}

func iniItem(log *logger, b *bytes.Buffer, it *config.Item) error {
	switch it.Kind {
	case config.Array, config.List:
		log.warn("Dropping array %s (unsupported in INI files)", it.Name)
		return nil
	case config.Nested:
		log.warn("Dropping indented category %s (unsupported in INI files), its settings stay", it.Name)
		var err error
		for _, sub := range it.Group.Items {
			err = errors.Join(err, iniItem(log, b, sub))
		}
		return err
	}
	if strings.ContainsAny(it.Text, "\r\n") || strings.TrimSpace(it.Text) != it.Text || strings.HasPrefix(it.Text, ">") {
		return fmt.Errorf("the value of %s in line %d has line breaks or blanks that do not survive in INI files: %q", it.Name, it.Line, it.Text)
	}
	fmt.Fprintf(b, "%s = %s\n", it.Name, strings.ReplaceAll(it.Text, ";", `\;`))
	return nil
}
