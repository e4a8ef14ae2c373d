package kit

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/schema"
)

// When says when a setting is saved, or shown in a list.
type When uint8

// Times to save or show a setting.
const (
	Never When = iota
	IfSet      // unless it is "", false or 0
	Always
)

// IfFalse is when to save or show a flag that is set by default.
func IfFalse(flag bool) When {
	if flag {
		return Never
	}
	return Always
}

// MaxNumber is how large a number may be unless its setting says otherwise.
const MaxNumber = 1<<31 - 1

// Setting is one thing that rooms and the like are set up with: by a request, by an
// entry of a file, or by both.
type Setting struct {
	Name string

	// To is where the value is, with its default before it is read: a *string,
	// *bool, *int, *int64, *uint64, *uint8, a *time.Duration, which is in seconds
	// outside, a *[]string, or a Value.
	To any

	Least   int64 // a number that is not 0 is at least that
	Most    int64 // 0 = MaxNumber
	NotZero bool  // 0 counts as not given

	Required bool // in requests that make a thing
	Edit     bool // can be changed, as new_<Name>
	Clear    bool // changing it may empty a text

	Save   When   // in the file
	Show   When   // in lists
	ShowAs string // its name there, "" = Name
}

// Value is a setting of a kind of its own, which is a text outside.
type Value interface {
	String() string

	// Set parses a text. If that makes no sense, or not all of it does, it
	// returns the valid part, and the consequence, as Values.Reject has them.
	Set(text string) (accepted, effect string)
}

// Settings are those of one thing, in the order in which they are saved and shown.
type Settings []Setting

// Fields are those of requests that make a thing.
func (t Settings) Fields() []schema.Field {
	list := make([]schema.Field, 0, len(t))
	for i := range t {
		list = append(list, schema.Field{Name: t[i].Name, Type: t[i].fieldType(), Required: t[i].Required})
	}
	return list
}

// EditFields are those of requests that change a thing.
func (t Settings) EditFields() []schema.Field {
	var list []schema.Field
	for i := range t {
		if t[i].Edit {
			list = append(list, schema.Field{Name: t[i].newName(), Type: t[i].fieldType()})
		}
	}
	return list
}

func (s *Setting) newName() string { return "new_" + s.Name }

func (s *Setting) fieldType() schema.Type {
	switch s.To.(type) {
	case *string, Value:
		return schema.String
	case *bool:
		return schema.Bool
	case *[]string:
		return schema.Array
	}
	return schema.Uint
}

// Wrong finds the first setting that has a number which makes no sense, or is too
// large; nil if there is none.
func (t Settings) Wrong(src Values) *Setting {
	i := slices.IndexFunc(t, func(s Setting) bool {
		if s.fieldType() != schema.Uint {
			return false
		}
		n, _ := src.Number(s.Name)
		return n < 0 || n > s.Limit() || src.Wrong(s.Name)
	})
	if i < 0 {
		return nil
	}
	return &t[i]
}

// Limit is how large the number of a setting may be.
func (s *Setting) Limit() int64 {
	if s.Most == 0 {
		return MaxNumber
	}
	return s.Most
}

// Read applies the settings of src; empty texts count as not given. A number that is too
// large counts as the largest there is, with a warning if it is from a file.
func (t Settings) Read(src Values) {
	for i := range t {
		t[i].set(src, t[i].Name, false)
	}
}

// Edit applies the settings of a request that changes a thing.
func (t Settings) Edit(src Values) {
	for i := range t {
		if s := &t[i]; s.Edit {
			s.set(src, s.newName(), s.Clear)
		}
	}
}

// set applies the setting of src under a name; empty reports whether that may be an empty
// text.
func (s *Setting) set(src Values, name string, empty bool) {
	switch to := s.To.(type) {
	case *string:
		if text, ok := src.Text(name); ok && (text != "" || empty) {
			*to = text
		}
	case Value:
		if text, ok := src.Text(name); ok && text != "" {
			if accepted, effect := to.Set(text); accepted != "" {
				src.Reject(name, accepted, effect)
			}
		}
	case *bool:
		if on, ok := src.Flag(name); ok {
			*to = on
		}
	case *[]string:
		if list, ok := src.Texts(name); ok && (len(list) > 0 || empty) {
			*to = list
		}
	default:
		n, ok := src.Number(name)
		switch {
		case !ok || n < 0 || n == 0 && s.NotZero:
			return
		case n > s.Limit():
			src.Reject(name, "at most "+strconv.FormatInt(s.Limit(), 10), "taken as that")
		case n > 0:
			n = max(n, s.Least)
		}
		s.setNumber(min(n, s.Limit()))
	}
}

func (s *Setting) setNumber(n int64) {
	switch to := s.To.(type) {
	case *int:
		*to = int(n)
	case *int64:
		*to = n
	case *uint64:
		*to = uint64(n)
	case *uint8:
		*to = uint8(n)
	case *time.Duration:
		*to = time.Duration(n) * time.Second
	default:
		panic(fmt.Sprintf("kit: setting %s is a %T", s.Name, s.To))
	}
}

func (s *Setting) number() int64 {
	switch to := s.To.(type) {
	case *int:
		return int64(*to)
	case *int64:
		return *to
	case *uint64:
		return int64(*to)
	case *uint8:
		return int64(*to)
	case *time.Duration:
		return int64(*to / time.Second)
	}
	panic(fmt.Sprintf("kit: setting %s is a %T", s.Name, s.To))
}

// isSet reports whether a setting has any value but "", false and 0.
func (s *Setting) isSet() bool {
	switch to := s.To.(type) {
	case *string:
		return *to != ""
	case Value:
		return to.String() != ""
	case *bool:
		return *to
	case *[]string:
		return len(*to) > 0
	}
	return s.number() != 0
}

func (s *Setting) wanted(when When) bool { return when == Always || when == IfSet && s.isSet() }

// Save writes the settings as a file has them.
func (t Settings) Save(g *config.Group) {
	for i := range t {
		s := &t[i]
		if !s.wanted(s.Save) {
			continue
		}
		switch to := s.To.(type) {
		case *string:
			g.Set(s.Name, *to)
		case Value:
			g.Set(s.Name, to.String())
		case *bool:
			g.Set(s.Name, strconv.FormatBool(*to))
		case *[]string:
			g.SetArray(s.Name, *to...)
		default:
			g.Set(s.Name, strconv.FormatInt(s.number(), 10))
		}
	}
}

// Write writes the settings that are shown.
func (t Settings) Write(w *json.Writer) {
	for i := range t {
		s := &t[i]
		if !s.wanted(s.Show) {
			continue
		}
		name := s.ShowAs
		if name == "" {
			name = s.Name
		}
		switch to := s.To.(type) {
		case *string:
			w.Str(name, *to)
		case Value:
			w.Str(name, to.String())
		case *bool:
			w.Bool(name, *to)
		case *[]string:
			w.Array(name)
			for _, text := range *to {
				w.Str("", text)
			}
			w.EndArray()
		default:
			w.Int(name, s.number())
		}
	}
}
