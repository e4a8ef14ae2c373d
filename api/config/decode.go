package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// PortRange is a range of ports, both ends included. The zero range is any
// port.
type PortRange struct{ Min, Max uint16 }

// Choice is on or off if somebody says so, and otherwise up to the server.
type Choice uint8

// The values of a Choice.
const (
	Undecided Choice = iota
	Off
	On
)

// Or is the choice, or else the default of the server.
func (c Choice) Or(on bool) bool { return c == On || c == Undecided && on }

// String is the choice as files have it.
func (c Choice) String() string {
	switch c {
	case On:
		return "true"
	case Off:
		return "false"
	}
	return ""
}

// Decode sets the fields of the struct that dst points to from the settings of
// g; fields without a setting, with an empty one, or with a wrong one stay as
// they are. It returns the problems, and warns of settings without a field.
//
// Those of embedded structs count as well. Tags of a field:
//
//	cfg:"name,older_name"  its setting
//	range:"1..65535"       bounds of a number, each may be left out
//	unit:"s"               unit of a time.Duration, "s" or "ms"
//	enum:"udp|tcp"         texts that are accepted, in any case
//	form:"path"            of a string: begins with /, trailing / cut off
//	lenient:"low=ignore,high=clamp,text=ignore"
//	                       what to do, with a warning, with a number below or
//	                       above its bounds, or with what is not a number
//	guard:"everybody may"  what stands open without it, for when it is misspelt
//	needs:"name"           the setting without which it is of no use and left out
//
// Types are bool, Choice, string, int, uint16, time.Duration, []string (array or comma
// list), netip.Addr, []netip.Addr (what is no address is left out with a
// warning), PortRange and Pairs.
func Decode(g *Group, dst any) []Problem {
	d := decoder{group: g}
	d.settings(reflect.ValueOf(dst).Elem())
	return d.problems
}

type decoder struct {
	group    *Group
	pending  map[string]bool // names of settings that are not supported yet
	problems []Problem
}

// report adds a problem with it.
func (d *decoder) report(it *Item, p Problem) {
	p.File, p.Line, p.Key = it.File, it.Line, it.Name
	if p.Section == "" && d.group != nil {
		p.Section = d.group.Name
	}
	d.problems = append(d.problems, p)
}

// settings goes through the group in its order.
func (d *decoder) settings(dst reflect.Value) {
	fields := make(map[string]reflect.StructField) // by name in lower case
	for _, f := range reflect.VisibleFields(dst.Type()) {
		if tag, ok := f.Tag.Lookup("cfg"); ok {
			for name := range strings.SplitSeq(tag, ",") {
				fields[name] = f
			}
		}
	}
	names, guards := fieldNames(dst.Type())
	for it := range d.group.All() {
		field, ok := fields[strings.ToLower(it.Name)]
		if !ok {
			d.report(it, unknown(it.Name, names, nil, func(meant string) string {
				if d.group.Get(meant) != nil {
					return ""
				}
				return guards[meant]
			}))
			continue
		}
		name := name(field.Tag.Get("cfg"))
		switch {
		case !strings.EqualFold(name, it.Name) && d.group.Get(name) != nil:
			// An older name does not count beside the newer.
		case it.Kind == Scalar && it.Text == "" && field.Type.Kind() != reflect.String:
		case d.pending[name]:
			d.pendingField(dst.FieldByIndex(field.Index), field.Tag, it)
		default:
			before := len(d.problems)
			d.field(dst.FieldByIndex(field.Index), field.Tag, it)
			for i := range d.problems[before:] {
				d.problems[before+i].Open = field.Tag.Get("guard")
			}
		}
	}
	for _, f := range reflect.VisibleFields(dst.Type()) {
		if other, ok := f.Tag.Lookup("needs"); ok && dst.FieldByIndex(fields[other].Index).IsZero() {
			d.leaveOut(dst.FieldByIndex(f.Index), f.Tag, other)
		}
	}
}

// leaveOut ignores a setting that needs another one.
func (d *decoder) leaveOut(dst reflect.Value, tag reflect.StructTag, other string) {
	it := d.group.Get(name(tag.Get("cfg")))
	if it != nil && !dst.IsZero() {
		d.report(it, Problem{Text: "needs " + other, Open: tag.Get("guard")})
	}
	dst.SetZero()
}

// fieldNames are the settings of a struct, and what is unprotected without some.
func fieldNames(t reflect.Type) (names []string, guards map[string]string) {
	guards = make(map[string]string)
	for _, f := range reflect.VisibleFields(t) {
		if tag, ok := f.Tag.Lookup("cfg"); ok {
			names = append(names, strings.Split(tag, ",")...)
			guards[name(tag)] = f.Tag.Get("guard")
		}
	}
	return names, guards
}

// name is the first of the names in a cfg tag.
func name(tag string) string {
	first, _, _ := strings.Cut(tag, ",")
	return first
}

// pendingField warns of a setting that has no effect yet, if it asks for
// anything but the default.
func (d *decoder) pendingField(dst reflect.Value, tag reflect.StructTag, it *Item) {
	value := reflect.New(dst.Type()).Elem()
	value.Set(dst)
	quiet := decoder{group: d.group}
	quiet.field(value, tag, it)
	if quiet.problems != nil || !reflect.DeepEqual(value.Interface(), dst.Interface()) {
		d.report(it, Problem{Text: "is known to Janus but not supported yet", Warning: true})
	}
	dst.Set(value)
}

func (d *decoder) field(dst reflect.Value, tag reflect.StructTag, it *Item) {
	if list, ok := dst.Addr().Interface().(*[]string); ok {
		d.list(list, it)
		return
	}
	if pairs, ok := dst.Addr().Interface().(*Pairs); ok {
		d.pairs(pairs, it)
		return
	}
	if it.Kind != Scalar && dst.Type() != reflect.TypeFor[[]netip.Addr]() {
		d.report(it, Problem{Text: "has several values", Accepted: "a single value"})
		return
	}
	text := strings.TrimSpace(it.Text)
	wrong := func(accepted string) {
		d.report(it, Problem{Value: it.Text, Accepted: accepted})
	}
	switch dst := dst.Addr().Interface().(type) {
	case *string:
		d.text(dst, tag, it)
	case *bool, *Choice:
		v, ok := parseBool(text)
		if !ok {
			wrong("yes, true, 1, no, false or 0")
			return
		}
		switch dst := dst.(type) {
		case *bool:
			*dst = v
		case *Choice:
			if *dst = Off; v {
				*dst = On
			}
		}
	case *int:
		if v, ok := d.number(tag, it, text, ""); ok {
			*dst = v
		}
	case *uint16:
		if v, ok := d.number(tag, it, text, ""); ok {
			*dst = uint16(v)
		}
	case *time.Duration:
		unit, name := time.Second, " of seconds"
		if tag.Get("unit") == "ms" {
			unit, name = time.Millisecond, " of milliseconds"
		}
		if v, ok := d.number(tag, it, text, name); ok {
			*dst = time.Duration(v) * unit
		}
	case *netip.Addr:
		v, err := netip.ParseAddr(text)
		if err != nil {
			wrong("an IP address")
			return
		}
		*dst = v.Unmap()
	case *[]netip.Addr:
		d.addresses(dst, it)
	case *PortRange:
		v, ok := parsePortRange(text)
		if !ok {
			wrong("a range of ports such as 20000-40000")
			return
		}
		*dst = v
	default:
		panic(fmt.Sprintf("config: no rule for a field of type %T", dst))
	}
}

func (d *decoder) text(dst *string, tag reflect.StructTag, it *Item) {
	text := it.Text
	if text == "" && (tag.Get("enum") != "" || tag.Get("form") != "") {
		return
	}
	if enum := tag.Get("enum"); enum != "" {
		names := strings.Split(enum, "|")
		for _, name := range names {
			if strings.EqualFold(name, strings.TrimSpace(text)) {
				*dst = name
				return
			}
		}
		d.report(it, Problem{Value: text, Accepted: orList(names)})
		return
	}
	if tag.Get("form") == "path" {
		if !strings.HasPrefix(text, "/") {
			d.report(it, Problem{Value: text, Accepted: "a path that begins with /"})
			return
		}
		text = strings.TrimRight(text, "/")
	}
	*dst = text
}

// list reads an array, or a list separated by commas.
func (d *decoder) list(dst *[]string, it *Item) {
	texts, ok := it.Texts()
	if !ok {
		d.report(it, Problem{Text: "is a group", Accepted: "texts separated by commas, or [ ] with several texts"})
		return
	}
	*dst = texts
}

// pairs reads a list of arrays or lists of two texts.
func (d *decoder) pairs(dst *Pairs, it *Item) {
	var out Pairs
	for _, element := range it.Items {
		texts, ok := element.Texts()
		if !ok || element.Kind == Scalar || len(texts) != 2 {
			d.report(it, Problem{Text: "has an element that is no pair", Accepted: `( [ "name", "value" ], ... )`})
			return
		}
		out = append(out, [2]string{texts[0], texts[1]})
	}
	if it.Kind == Scalar || it.Kind == Nested {
		d.report(it, Problem{Text: "is no list of pairs", Accepted: `( [ "name", "value" ], ... )`})
		return
	}
	*dst = out
}

// Texts are the texts of an array or list, or those between the commas of a single
// text; false if it is none of these.
func (it *Item) Texts() (texts []string, ok bool) {
	switch it.Kind {
	case Scalar:
		for text := range strings.SplitSeq(it.Text, ",") {
			if text = strings.TrimSpace(text); text != "" {
				texts = append(texts, text)
			}
		}
		return texts, true
	case Array, List:
		for _, element := range it.Items {
			if element.Kind != Scalar {
				return nil, false
			}
			texts = append(texts, element.Text)
		}
		return texts, true
	}
	return nil, false
}

func (d *decoder) addresses(dst *[]netip.Addr, it *Item) {
	texts, ok := it.Texts()
	if !ok {
		d.report(it, Problem{Text: "is a group", Accepted: "IP addresses separated by commas"})
		return
	}
	var out []netip.Addr
	for _, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			d.report(it, Problem{Value: text, Accepted: "IP addresses separated by commas", Warning: true})
			continue
		}
		out = append(out, addr.Unmap())
	}
	*dst = out
}

// number reads a whole number within its bounds.
func (d *decoder) number(tag reflect.StructTag, it *Item, text, unit string) (int, bool) {
	low, high, accepted := bounds(tag.Get("range"), unit)
	lenient := tag.Get("lenient")
	p := Problem{Value: it.Text, Accepted: accepted}
	v, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // v is the extreme on that side
	}
	if err == nil && v >= low && v <= high {
		return int(v), true
	}
	rule, nearest := "text", int64(0)
	switch {
	case err == nil && v < low:
		rule, nearest = "low", low
	case err == nil:
		rule, nearest = "high", high
	}
	clamp := strings.Contains(lenient, rule+"=clamp")
	p.Warning = clamp || strings.Contains(lenient, rule+"=ignore")
	if clamp {
		p.Effect = fmt.Sprintf("%d is taken", nearest)
	}
	d.report(it, p)
	return int(nearest), clamp
}

// bounds reads a range tag and puts it in words.
func bounds(tag, unit string) (low, high int64, words string) {
	low, high = -1<<31, 1<<31-1
	from, to, _ := strings.Cut(tag, "..")
	if from != "" {
		low, _ = strconv.ParseInt(from, 10, 32)
	}
	if to != "" {
		high, _ = strconv.ParseInt(to, 10, 32)
	}
	words = "a whole number" + unit
	switch {
	case from != "" && to != "":
		words += " from " + from + " to " + to
	case from != "":
		words += ", " + from + " or more"
	case to != "":
		words += ", " + to + " or less"
	}
	return low, high, words
}

func parseBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "yes", "true", "1":
		return true, true
	case "no", "false", "0":
		return false, true
	}
	return false, false
}

// parsePortRange reads "min-max". A maximum of 0 is 65535.
func parsePortRange(text string) (PortRange, bool) {
	from, to, ok := strings.Cut(text, "-")
	low, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	high, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return PortRange{}, false
	}
	if high == 0 && low != 0 {
		high = 65535
	}
	return PortRange{Min: uint16(min(low, high)), Max: uint16(max(low, high))}, true
}

// orList writes "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}
