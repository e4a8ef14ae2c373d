package textroom

import (
	"math"
	"net/url"
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// settings are those of a room.
type settings struct {
	rooms.Access
	description string
	history     int // messages that newcomers get
	post        backendURL
}

// Settings are all of them.
func (s *settings) Settings() kit.Settings {
	return kit.Settings{
		{Name: "description", To: &s.description, Edit: true, Save: kit.Always, Show: kit.Always},
		{Name: "is_private", To: &s.Hidden, Edit: true, Save: kit.Always},
		{Name: "history", To: &s.history, Most: math.MaxUint16, Save: kit.Always, Show: kit.Always},
		{Name: "secret", To: &s.Secret, Edit: true, Save: kit.IfSet},
		{Name: "pin", To: &s.PIN, Edit: true, Save: kit.IfSet},
		{Name: "post", To: &s.post, Edit: true, Save: kit.IfSet},
	}
}

// newSettings takes settings from src, and defaults for the rest.
func newSettings(src kit.Values, description string) settings {
	s := settings{description: description}
	s.Settings().Read(src)
	return s
}

// backendURL is the address of a back end, "" = none.
type backendURL string

// aBackend says which texts are a backendURL.
const aBackend = "an http or https URL"

// String is the URL.
func (b backendURL) String() string { return string(b) }

// Set takes a URL, which is one of HTTP if nothing else is said.
func (b *backendURL) Set(text string) (accepted, effect string) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return aBackend, ""
	}
	*b = backendURL(text)
	return "", ""
}

// checkRoom looks at fields more closely than their types.
func (p *Plugin) checkRoom(body kit.Args, prefix string) *schema.Error {
	if text := body.Str(prefix + "post"); text != "" {
		var to backendURL
		if accepted, _ := to.Set(text); accepted != "" {
			return errorf(errInvalidElement, "Invalid element (%spost should be %s)", prefix, accepted)
		}
		if !p.general.mayPost(to) {
			return errorf(errInvalidElement, "Invalid element (%spost names a host that is not among post_hosts)", prefix)
		}
	}
	return nil
}

// checkEntry looks at the settings of a room in the file.
func checkEntry(c *config.Reader) { rooms.Strays(c, new(settings).Settings(), nil) }
