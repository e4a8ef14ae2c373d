package streaming

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
)

// Why there is no RTSP session, besides what the library and the network say.
var (
	errBadURL     = errors.New("that is no RTSP URL")
	errNoStreams  = errors.New("the server has none of the wanted streams")
	errBadControl = errors.New("the server names no URL to set up the stream")
	errNoPorts    = errors.New("no free UDP ports")
	errPanic      = errors.New("panic")
	errSilence    = errors.New("no media")
)

// told is what clients hear of a failure. Who does not speak RTSP is told nothing
// about: it would make the server a port scanner.
func told(err error) string {
	for _, plain := range []error{errBadURL, errNoStreams, errBadControl, errNoPorts} {
		if errors.Is(err, plain) {
			return plain.Error()
		}
	}
	var status liberrors.ErrClientBadStatusCode
	if errors.As(err, &status) {
		return fmt.Sprintf("the server answers with status %d", status.Code)
	}
	return "no RTSP server can be reached there"
}

// log is the log of a camera. Of the URL it names the server only: cameras have
// passwords in the path as well.
func (c *camera) log() *slog.Logger {
	log := c.m.plugin.gw.Logger().With("mountpoint", c.m.id)
	if u, err := base.ParseURL(c.set.url); err == nil {
		log = log.With("server", u.Scheme+"://"+u.Host)
	}
	return log
}

// quoted is what errors quote, which may be a URL or a header.
var quoted = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+://\S+`)

// censored is the text of an error without passwords.
func (c *camera) censored(err error) string {
	text := quoted.ReplaceAllString(err.Error(), "...")
	secrets := []string{c.set.password}
	if u, err := url.Parse(c.set.url); err == nil {
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
