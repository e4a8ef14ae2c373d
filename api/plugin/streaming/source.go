package streaming

import (
	"strconv"
	"strings"

	"bifrons/api/config"
	"bifrons/api/json"
)

// source is where settings come from: a request or a file. The bool tells
// whether there is one that makes sense.
type source interface {
	text(name string) (string, bool)
	flag(name string) (bool, bool)
	number(name string) (int64, bool)
	// wrong tells whether there is a number that makes no sense.
	wrong(name string) bool
	// list is the groups of a list; false if there is no such list.
	list(name string) ([]source, bool)
}

// requestSource takes settings from a request, whose types were checked.
type requestSource struct{ *json.Value }

func (s requestSource) text(name string) (string, bool)  { return json.String(s.Get(name)) }
func (s requestSource) number(name string) (int64, bool) { return json.Int(s.Get(name)) }
func (s requestSource) wrong(string) bool                { return false }
func (s requestSource) flag(name string) (bool, bool) {
	v := s.Get(name)
	return json.True(v), json.IsBool(v)
}

func (s requestSource) list(name string) ([]source, bool) {
	v := s.Get(name)
	var list []source
	for _, e := range json.Array(v) {
		list = append(list, requestSource{e})
	}
	return list, json.IsArray(v)
}

// fileSource takes settings from a file.
type fileSource struct{ *config.Group }

func (s fileSource) text(name string) (string, bool) {
	it := s.Get(name)
	return s.String(name), it != nil && it.Kind == config.Scalar && it.Text != ""
}

func (s fileSource) number(name string) (int64, bool) {
	text, ok := s.text(name)
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, ok && err == nil && n >= 0
}

func (s fileSource) wrong(name string) bool {
	_, there := s.text(name)
	_, ok := s.number(name)
	return there && !ok
}

func (s fileSource) flag(name string) (bool, bool) {
	text, ok := s.text(name)
	return isTrue(text), ok
}

func (s fileSource) list(name string) ([]source, bool) {
	it := s.Get(name)
	if it == nil || it.Kind == config.Scalar {
		return nil, false
	}
	items := it.Items
	if it.Kind == config.Nested { // one group without the brackets of a list
		items = []*config.Item{it}
	}
	var list []source
	for _, e := range items {
		if e.Kind == config.Nested {
			list = append(list, fileSource{e.Group})
		}
	}
	return list, true
}

// texts is the elements of an array, or of a text with commas.
func (s fileSource) texts(name string) (list []string) {
	add := func(text string) {
		if text = strings.TrimSpace(text); text != "" {
			list = append(list, text)
		}
	}
	for _, it := range s.List(name) {
		add(it.Text)
	}
	for text := range strings.SplitSeq(s.String(name), ",") {
		add(text)
	}
	return list
}

// isTrue tells whether a setting is on.
func isTrue(text string) bool {
	return strings.EqualFold(text, "yes") || strings.EqualFold(text, "true") || text == "1"
}

// fromFile tells whether settings come from a file.
func fromFile(src source) bool {
	_, request := src.(requestSource)
	return !request
}
