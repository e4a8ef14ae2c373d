// Package turnrest asks a TURN REST API for servers and time-limited credentials
// ("A REST API For Access To TURN Services", draft-uberti-behave-turn-rest).
package turnrest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bifrons/api/json"
	"bifrons/sfu"
)

// Config says where the API is.
type Config struct {
	URL     string // http or https
	Key     string // sent as both "api" and "key", "" = not sent
	Method  string // GET, else POST
	Timeout time.Duration
}

const (
	defaultPort = 3478
	userAgent   = "Janus/1.0" // expected by services that know Janus
	maxReply    = 64 << 10
)

// Client asks one API. It is safe for use by several goroutines.
type Client struct {
	cfg  Config
	http http.Client
}

// New makes a Client. It fails if the URL is none of http or https.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("TURN REST API: %q is no http or https URL", cfg.URL)
	}
	// Questions are rare: nothing is kept open between them.
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: cfg.Timeout}
	return &Client{cfg: cfg, http: http.Client{Timeout: cfg.Timeout, Transport: t}}, nil
}

// Servers returns the TURN servers for a user, in the order of the API. Those of
// an unknown kind are left out.
func (c *Client) Servers(ctx context.Context, user string) ([]sfu.TURNServer, error) {
	list, err := c.ask(ctx, user)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which has the key in it
		}
		return nil, fmt.Errorf("TURN REST API: %w", err)
	}
	return list, nil
}

func (c *Client) ask(ctx context.Context, user string) ([]sfu.TURNServer, error) {
	req, err := c.request(ctx, user)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("answered with status %s", resp.Status)
	case len(body) > maxReply:
		return nil, fmt.Errorf("answered with more than %d bytes", maxReply)
	}
	return parse(body)
}

func (c *Client) request(ctx context.Context, user string) (*http.Request, error) {
	query := "service=turn"
	if c.cfg.Key != "" {
		key := url.QueryEscape(c.cfg.Key)
		query += "&api=" + key + "&key=" + key
	}
	query += "&username=" + url.QueryEscape(user)
	to := c.cfg.URL + "?" + query
	if strings.Contains(c.cfg.URL, "?") {
		to = c.cfg.URL + "&" + query
	}
	method, body := http.MethodPost, io.Reader(strings.NewReader(query))
	if strings.EqualFold(c.cfg.Method, http.MethodGet) {
		method, body = http.MethodGet, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, nil
}

// parse reads an answer.
func parse(body []byte) ([]sfu.TURNServer, error) {
	doc, syntax := json.Parse(body)
	if syntax != nil {
		return nil, fmt.Errorf("answered with a text that is not JSON: %w", syntax)
	}
	defer doc.Release()
	root := json.Args{Value: doc.Root()}
	user, ok1 := root.Text("username")
	password, ok2 := root.Text("password")
	if !root.IsObject() || !ok1 || !ok2 || !json.IsArray(root.Get("uris")) {
		return nil, errors.New("answered without username, password or uris")
	}
	var list []sfu.TURNServer
	uris, _ := root.Texts("uris")
	for _, uri := range uris {
		if s, ok := parseURI(uri); ok {
			s.Username, s.Password = strings.Clone(user), strings.Clone(password)
			list = append(list, s)
		}
	}
	return list, nil
}

// parseURI reads a TURN URI (RFC 7065). It reports false for one that is
// malformed, and for transports other than UDP, TCP and TLS.
func parseURI(uri string) (sfu.TURNServer, bool) {
	scheme, rest, ok := strings.Cut(uri, ":")
	secure := strings.EqualFold(scheme, "turns")
	if !ok || !secure && !strings.EqualFold(scheme, "turn") {
		return sfu.TURNServer{}, false
	}
	address, query, _ := strings.Cut(rest, "?")
	s := sfu.TURNServer{Transport: sfu.TURNUDP, Port: defaultPort}
	if secure {
		s.Transport = sfu.TURNTLS
	}
	for _, option := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(option, "=")
		if !strings.EqualFold(name, "transport") {
			continue
		}
		switch t := sfu.TURNTransport(strings.ToLower(value)); {
		case secure && t == sfu.TURNUDP: // DTLS
			return sfu.TURNServer{}, false
		case t == sfu.TURNTLS, t == sfu.TURNTCP && !secure, t == sfu.TURNUDP:
			s.Transport = t
		case t != sfu.TURNTCP:
			return sfu.TURNServer{}, false
		}
	}
	host, port := address, ""
	if i := strings.LastIndexByte(address, ':'); i > strings.LastIndexByte(address, ']') {
		host, port = address[:i], address[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return sfu.TURNServer{}, false
		}
		s.Port = uint16(n)
	}
	s.Host = strings.Clone(strings.Trim(host, "[]"))
	return s, s.Host != "" && !strings.ContainsAny(s.Host, "/@ ")
}
