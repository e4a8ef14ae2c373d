// Package auth decides who may use the Janus API: a shared secret, stored
// tokens with a list of plugins each, or tokens signed by someone who knows a
// secret.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Config says which ways of authentication are on. The zero value asks for
// nothing.
type Config struct {
	// Secret is the API secret, "" for none.
	Secret string

	// Tokens turns token authentication on: stored tokens, or signed ones if
	// TokenSecret is set.
	Tokens      bool
	TokenSecret string

	// Now is the clock for the expiry of signed tokens, default time.Now.
	Now func() time.Time
}

// Auth checks credentials and keeps the stored tokens. All methods may be
// called from any goroutine.
type Auth struct {
	cfg atomic.Pointer[Config] // replaced as a whole

	mu     sync.RWMutex
	tokens map[string]map[string]bool // token to its plugins
}

// New makes an Auth without stored tokens.
func New(cfg Config) *Auth {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &Auth{tokens: make(map[string]map[string]bool)}
	a.cfg.Store(&cfg)
	return a
}

// SetSecrets replaces the API secret and the secret of signed tokens. Neither
// can be turned on or off by that: an empty one stays empty, and a set one as it
// is if the new one is empty.
func (a *Auth) SetSecrets(secret, tokenSecret string) {
	cfg := *a.cfg.Load()
	if cfg.Secret != "" && secret != "" {
		cfg.Secret = secret
	}
	if cfg.TokenSecret != "" && tokenSecret != "" {
		cfg.TokenSecret = tokenSecret
	}
	a.cfg.Store(&cfg)
}

// SecretEnabled reports whether there is an API secret.
func (a *Auth) SecretEnabled() bool { return a.cfg.Load().Secret != "" }

// TokensEnabled reports whether tokens of either kind are checked.
func (a *Auth) TokensEnabled() bool { return a.cfg.Load().Tokens }

// Signed reports whether tokens are signed ones.
func (a *Auth) Signed() bool { return a.cfg.Load().signed() }

// Stored reports whether tokens are those of the table.
func (a *Auth) Stored() bool { return a.cfg.Load().stored() }

func (c *Config) signed() bool { return c.Tokens && c.TokenSecret != "" }
func (c *Config) stored() bool { return c.Tokens && c.TokenSecret == "" }

// Allowed reports whether a request with these credentials may go on. One valid
// credential is enough; "" stands for none.
func (a *Auth) Allowed(secret, token string) bool {
	cfg := a.cfg.Load()
	if cfg.Secret == "" && !cfg.Tokens {
		return true
	}
	if cfg.Secret != "" && Equal(secret, cfg.Secret) {
		return true
	}
	switch {
	case !cfg.Tokens || token == "":
		return false
	case cfg.signed():
		return a.verify(token, Realm) != nil
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.tokens[token]
	return ok
}

// AllowedPlugin reports whether the owner of token may attach to a plugin. Only
// tokens are restricted: with "", or with tokens off, every plugin is allowed.
func (a *Auth) AllowedPlugin(token, plugin string) bool {
	switch {
	case !a.TokensEnabled() || token == "":
		return true
	case a.Signed():
		return a.SignedFor(token, Realm, plugin)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.tokens[token][plugin]
}

// Equal compares secrets in a time that does not reveal where they differ.
func Equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Token is a stored token and the plugins it may be used with.
type Token struct {
	Token   string
	Plugins []string // sorted
}

// Add stores a token that may be used with the given plugins, or adds these
// plugins to those of a stored token. It returns the resulting list.
func (a *Auth) Add(token string, plugins []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := a.tokens[token]
	if set == nil {
		set = make(map[string]bool)
		a.tokens[token] = set
	}
	for _, p := range plugins {
		set[p] = true
	}
	return sorted(set)
}

// Allow adds plugins to those of a stored token. It returns the resulting
// list; false if there is no such token.
func (a *Auth) Allow(token string, plugins []string) ([]string, bool) {
	return a.change(token, plugins, true)
}

// Disallow takes plugins away from a stored token. It returns the resulting
// list; false if there is no such token.
func (a *Auth) Disallow(token string, plugins []string) ([]string, bool) {
	return a.change(token, plugins, false)
}

func (a *Auth) change(token string, plugins []string, allow bool) ([]string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set, ok := a.tokens[token]
	if !ok {
		return nil, false
	}
	for _, p := range plugins {
		if allow {
			set[p] = true
		} else {
			delete(set, p)
		}
	}
	return sorted(set), true
}

// Remove forgets a stored token; false if there is no such token.
func (a *Auth) Remove(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.tokens[token]
	delete(a.tokens, token)
	return ok
}

// Exists reports whether a token is stored.
func (a *Auth) Exists(token string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	_, ok := a.tokens[token]
	return ok
}

// List returns all stored tokens, sorted.
func (a *Auth) List() []Token {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := make([]Token, 0, len(a.tokens))
	for t, set := range a.tokens {
		list = append(list, Token{t, sorted(set)})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Token < list[j].Token })
	return list
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for p := range set {
		list = append(list, p)
	}
	sort.Strings(list)
	return list
}
