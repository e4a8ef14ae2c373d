package rtsp

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
)

// Why there is no RTSP session, besides what the library and the network say.
var (
	errBadURL     = errors.New("that is no RTSP URL")
	errNoStreams  = errors.New("the server has none of the wanted streams")
	errBadControl = errors.New("the server names no URL to set up the stream")
	errNoPorts    = errors.New("no free UDP ports")
	errPanic      = errors.New("panic")
	errNobody     = errors.New("no RTSP server can be reached there")
	errSilence    = errors.New("no media")
)

// told is the text of a failure for clients. Of a server that does not speak RTSP it says nothing
// more: it would make the server a port scanner.
func told(err error) error {
	for _, plain := range []error{errBadURL, errNoStreams, errBadControl, errNoPorts} {
		if errors.Is(err, plain) {
			return plain
		}
	}
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) {
		return fmt.Errorf("the server answers with status %d", status.Code)
	}
	return errNobody
}

// quoted is a text for errors to quote, such as a URL or a header.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+://\S+`)

// censored is the text of an error without passwords.
func (c *Camera) censored(err error) string {
	text := quoted.ReplaceAllString(err.Error(), "...")
	secrets := []string{c.Password}
	if u, err := url.Parse(c.URL); err == nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password, u.RawQuery, strings.Trim(u.Path, "/"))
	}
	for _, secret := range secrets {
		if len(secret) > 2 { // or the text would be nothing but dots
			text = strings.ReplaceAll(text, secret, "...")
		}
	}
	return text
}
