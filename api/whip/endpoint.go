package whip

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Kind is the purpose of an endpoint.
type Kind uint8

// Kinds of endpoints.
const (
	Publish Kind = iota // WHIP
	Watch               // WHEP
)

// String is the kind's name in paths and settings.
func (k Kind) String() string { return [...]string{"whip", "whep"}[k] }

// ParseKind is the opposite.
func ParseKind(text string) (Kind, bool) {
	switch strings.ToLower(text) {
	case "whip":
		return Publish, true
	case "whep":
		return Watch, true
	}
	return 0, false
}

// maxEndpoints bounds the endpoints that the Admin API can make.
const maxEndpoints = 100_000

// Endpoint is the target of a URL.
type Endpoint struct {
	ID   string
	Kind Kind

	// Where media goes, or comes from. To publish: a room, with the publisher's id as
	// Feed if it is to be a certain one. To watch: a mountpoint; or a room with a
	// publisher, or whoever publishes there.
	Room, Feed, Mountpoint string

	PIN        string // of the room or mountpoint
	Invitation string // token with which the room lets participants in
	Label      string // display name of the publisher

	// Token is the bearer token that clients need (RFC 6750), "" = nothing.
	Token string

	AudioCodec, VideoCodec string // to publish with; "" = those of the room
	Bitrate                int64  // bit/s that a publisher is asked for at most, 0 = as the room has it

	ICEServers []ICEServer // nil = those of the server

	// Redirect is the URL of the endpoint on another server, where clients go in place of
	// this one (RFC 9725, 4.7), "" = it is here.
	Redirect string

	MaxViewers int  // 0 = any number
	Exclusive  bool // who comes second is refused, and does not take the first one's place
}

// ICEServer is a STUN or TURN server for clients (RFC 9725, 4.6).
type ICEServer struct{ URL, Username, Credential string }

var validID = regexp.MustCompile(`^[A-Za-z0-9._~@:+-]{1,128}$`)

func (e *Endpoint) check() error {
	switch {
	case !validID.MatchString(e.ID):
		return fmt.Errorf("%q cannot be the id of an endpoint: it has 1 to 128 letters, digits and -._~@:+", e.ID)
	case e.Redirect != "" && (e.Room != "" || e.Mountpoint != ""):
		return errors.New("redirect leads elsewhere: there is no room or mountpoint")
	case e.Redirect != "" && !isURL(e.Redirect):
		return fmt.Errorf("%q is no URL of http or https", e.Redirect)
	case e.Redirect != "":
		return nil
	case e.Kind == Publish && e.Mountpoint != "":
		return errors.New("a mountpoint can be watched only")
	case e.Kind == Publish && e.Room == "":
		return errors.New("room is missing")
	case e.Kind == Watch && (e.Room == "") == (e.Mountpoint == ""):
		return errors.New("either room or mountpoint is needed")
	case e.Feed != "" && e.Room == "":
		return errors.New("feed without room")
	case !plain(e.PIN, e.Token, e.Label, e.Invitation):
		return errors.New("settings take at most 1024 bytes without control characters")
	case len(e.ICEServers) > maxICEServers:
		return fmt.Errorf("at most %d ICE servers", maxICEServers)
	}
	for _, x := range e.ICEServers {
		if err := x.check(); err != nil {
			return err
		}
	}
	return nil
}

// isURL reports whether a text can be a Location.
func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && plain(text)
}

const maxICEServers = 16

// Check says what is wrong with a server.
func (x *ICEServer) check() error {
	scheme, rest, _ := strings.Cut(x.URL, ":")
	if !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) || rest == "" || strings.ContainsAny(x.URL, "<>\" \r\n") {
		return fmt.Errorf("%q is no URL of a STUN or TURN server", x.URL)
	}
	if !plain(x.URL, x.Username, x.Credential) {
		return errors.New("an ICE server has control characters")
	}
	return nil
}

// link is the header field about a server (RFC 9725, 4.6).
func (x *ICEServer) link() string {
	text := "<" + x.URL + `>; rel="ice-server"`
	if x.Username != "" {
		text += "; username=" + quote(x.Username) + "; credential=" + quote(x.Credential) + `; credential-type="password"`
	}
	return text
}

// quote is a quoted-string of HTTP (RFC 9110, 5.6.4).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// plain reports whether texts are of a sensible length and can stand in a header field.
func plain(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool {
		return len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	})
}
