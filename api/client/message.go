package client

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Object is a JSON object of a request.
type Object = map[string]any

// Message is one that the server sent: those of its members that many read, and all of
// it as text.
type Message struct {
	Janus       string
	Transaction string
	Session     uint64 `json:"session_id"`
	Sender      uint64 // the handle of an event
	Reason      string // of a hangup
	Refused     struct {
		Code   int
		Reason string
	} `json:"error"`
	Data       struct{ ID uint64 }
	PluginData struct {
		Data struct {
			Error string
		}
	}
	JSEP struct{ Type, SDP string }

	Raw []byte `json:"-"`
}

// parse decodes a message. Members that are of another kind than most are left out.
func parse(text []byte) (*Message, error) {
	m := &Message{Raw: text}
	err := json.Unmarshal(text, m)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		err = nil
	}
	return m, err
}

// Err is why the core or the plugin refused a request, nil if neither did.
func (m *Message) Err() error {
	switch {
	case m.Janus == "error":
		return fmt.Errorf("error %d: %s", m.Refused.Code, m.Refused.Reason)
	case m.PluginData.Data.Error != "":
		return errors.New(m.PluginData.Data.Error)
	}
	return nil
}

// Object decodes all of the message. Numbers are of type float64.
func (m *Message) Object() Object {
	var o Object
	_ = json.Unmarshal(m.Raw, &o) // is an object, or there would be no Message
	return o
}
