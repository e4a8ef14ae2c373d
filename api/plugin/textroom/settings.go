package textroom

import (
	"net/url"
	"strconv"
	"strings"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// maxHistory is how many messages a room may be set up to remember.
const maxHistory = 1<<16 - 1

// settings are what a room is set up with.
type settings struct {
	description string
	secret, pin string // "" = none
	hidden      bool   // left out from the list
	history     int    // messages that newcomers get
	post        string // URL that what is said is posted to, "" = none
}

// newSettings takes settings from a request or the file.
func newSettings(src kit.Source, description string) settings {
	s := settings{description: description}
	for name, p := range map[string]*string{"description": &s.description, "secret": &s.secret, "pin": &s.pin} {
		if text, ok := src.Text(name); ok && text != "" {
			*p = text
		}
	}
	if on, ok := src.Flag("is_private"); ok {
		s.hidden = on
	}
	if n, ok := src.Number("history"); ok && n > maxHistory {
		src.Reject("history", "at most "+strconv.Itoa(maxHistory), "taken as that")
		s.history = maxHistory
	} else if ok && n > 0 {
		s.history = int(n)
	}
	if text, ok := src.Text("post"); ok && text != "" {
		if s.post, ok = backendURL(text); !ok {
			src.Reject("post", "an http or https URL", "")
		}
	}
	return s
}

// backendURL is the URL of a back end, which is one of HTTP if nothing else is said;
// false if it is none.
func backendURL(text string) (string, bool) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", false
	}
	return text, true
}

// checkPost looks at the URL in a request.
func checkPost(body kit.Args, field string) *schema.Error {
	if text := body.Str(field); text != "" {
		if _, ok := backendURL(text); !ok {
			return errorf(errInvalidElement, "Invalid element (%s should be an http or https URL)", field)
		}
	}
	return nil
}

// change takes over what an edit says: what is empty stays as it is.
func (s *settings) change(body kit.Args) {
	for field, p := range map[string]*string{
		"new_description": &s.description, "new_secret": &s.secret, "new_pin": &s.pin,
	} {
		if text := body.Str(field); text != "" {
			*p = text
		}
	}
	if text := body.Str("new_post"); text != "" {
		s.post, _ = backendURL(text)
	}
	if on, ok := body.Flag("new_is_private"); ok {
		s.hidden = on
	}
}

// group is the settings as the file has them.
func (s *settings) group() *config.Group {
	g := new(config.Group)
	g.Set("description", s.description)
	g.Set("is_private", strconv.FormatBool(s.hidden))
	g.Set("history", strconv.Itoa(s.history))
	for _, x := range []struct{ name, text string }{{"secret", s.secret}, {"pin", s.pin}, {"post", s.post}} {
		if x.text != "" {
			g.Set(x.name, x.text)
		}
	}
	return g
}
