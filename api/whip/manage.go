package whip

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// entry is an endpoint as administrators write and read it. Tokens and pins are not shown.
type entry struct {
	Kind       string      `json:"kind"`
	ID         string      `json:"id"`
	Room       identifier  `json:"room,omitempty"`
	Feed       identifier  `json:"feed,omitempty"`
	Mountpoint identifier  `json:"mountpoint,omitempty"`
	PIN        string      `json:"pin,omitempty"`
	Invitation string      `json:"invitation,omitempty"`
	Label      string      `json:"label,omitempty"`
	Token      string      `json:"token,omitempty"`
	AudioCodec string      `json:"audiocodec,omitempty"`
	VideoCodec string      `json:"videocodec,omitempty"`
	Bitrate    int64       `json:"bitrate,omitempty"`
	ICEServers []iceServer `json:"ice_servers,omitempty"`
	Redirect   string      `json:"redirect,omitempty"`
	MaxViewers int         `json:"max_viewers,omitempty"`
	Exclusive  bool        `json:"exclusive,omitempty"`

	Protected bool     `json:"protected,omitempty"` // it has a token; only shown
	Resources []string `json:"resources,omitempty"` // only shown
}

// iceServer is an ICEServer of an entry.
type iceServer struct {
	URL        string `json:"url"`
	Username   string `json:"username,omitempty"`
	Credential string `json:"credential,omitempty"`
}

// identifier is an id, a number or a text.
type identifier string

// UnmarshalJSON reads both.
func (i *identifier) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*i = identifier(text)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("%s is neither a number nor a text", b)
	}
	*i = identifier(n)
	return nil
}

// Query answers query_transport: create, list and destroy.
func (s *Server) Query(request []byte) []byte {
	answer, err := s.manage(request)
	if err != nil {
		answer = map[string]any{"error_code": 400, "error": err.Error()}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return []byte(`{"error_code":499,"error":"Unknown error"}`)
	}
	return text
}

func (s *Server) manage(request []byte) (answer any, err error) {
	var r struct {
		Request string `json:"request"`
		entry
	}
	d := json.NewDecoder(bytes.NewReader(request))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	kind, ok := ParseKind(r.Kind)
	switch {
	case r.Request == "list":
		return map[string]any{"result": 200, "endpoints": s.entries()}, nil
	case r.Request != "create" && r.Request != "destroy":
		return nil, fmt.Errorf("unknown request %q: there are create, list and destroy", r.Request)
	case !ok:
		return nil, fmt.Errorf("kind is whip or whep, not %q", r.Kind)
	case r.Protected || r.Resources != nil:
		return nil, fmt.Errorf("protected and resources are only shown")
	case r.Request == "create":
		err = s.Create(r.endpoint(kind))
	case !s.Destroy(kind, r.ID):
		err = fmt.Errorf("there is no %s endpoint %q", kind, r.ID)
	}
	return map[string]any{"result": 200}, err
}

func (e *entry) endpoint(kind Kind) Endpoint {
	x := Endpoint{ID: e.ID, Kind: kind, Room: string(e.Room), Feed: string(e.Feed), Mountpoint: string(e.Mountpoint), PIN: e.PIN,
		Invitation: e.Invitation, Label: e.Label, Token: e.Token, AudioCodec: e.AudioCodec, VideoCodec: e.VideoCodec, Bitrate: e.Bitrate,
		Redirect: e.Redirect, MaxViewers: e.MaxViewers, Exclusive: e.Exclusive}
	for _, i := range e.ICEServers {
		x.ICEServers = append(x.ICEServers, ICEServer(i))
	}
	return x
}

// entries are all endpoints, by kind and id.
func (s *Server) entries() []entry {
	list := []entry{}
	for _, x := range s.Endpoints() {
		e := entry{Kind: x.Kind.String(), ID: x.ID, Room: identifier(x.Room), Feed: identifier(x.Feed), Mountpoint: identifier(x.Mountpoint),
			Label: x.Label, AudioCodec: x.AudioCodec, VideoCodec: x.VideoCodec, Bitrate: x.Bitrate, Redirect: x.Redirect, MaxViewers: x.MaxViewers,
			Exclusive: x.Exclusive, Protected: x.Token != "", Resources: x.Resources}
		for _, i := range x.ICEServers {
			e.ICEServers = append(e.ICEServers, iceServer{URL: i.URL, Username: i.Username})
		}
		list = append(list, e)
	}
	return list
}
