package rooms

import (
	"slices"
	"sync/atomic"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

const (
	// maxTokens is how many bytes the tokens of a room may take.
	maxTokens = 1 << 20

	// maxAllTokens is how many those of all rooms of a plugin may take for clients to
	// add more.
	maxAllTokens = 64 << 20

	// tokenCost is the memory of a token besides its text, in bytes.
	tokenCost = 64
)

// Tokens are those with which one may enter a room. The zero value lets everybody
// in. Its owner locks.
type Tokens struct {
	On   bool // one needs a token
	list []string
}

// Admit reports whether one may enter with a token.
func (t *Tokens) Admit(token string) bool { return !t.On || slices.Contains(t.list, token) }

// Add adds tokens.
func (t *Tokens) Add(tokens ...string) {
	for _, token := range tokens {
		if !slices.Contains(t.list, token) {
			t.list = append(t.list, token)
		}
	}
}

// TokensOf reads the list "allowed" of a request, no more than a room may have.
func TokensOf(body kit.Args, c kit.Codes) (tokens []string, err *schema.Error) {
	tokens, ok := body.Texts("allowed")
	if !ok {
		return nil, kit.Errorf(c.Invalid, "Invalid element in the allowed array (not a string)")
	}
	if size(tokens) > maxTokens {
		return nil, tooMany(c)
	}
	return tokens, nil
}

func tooMany(c kit.Codes) *schema.Error {
	return kit.Errorf(c.Invalid, "Too many tokens (more than %d bytes)", maxTokens)
}

// tokenSum is how many bytes the tokens of all rooms take.
type tokenSum struct{ held atomic.Int64 }

// take is an error if there is no room for n bytes more.
func (s *tokenSum) take(n int, c kit.Codes) *schema.Error {
	if s.held.Add(int64(n)) > maxAllTokens && n > 0 {
		s.give(n)
		return kit.Errorf(c.Invalid, "Too many tokens in all rooms (more than %d bytes)", maxAllTokens)
	}
	return nil
}

func (s *tokenSum) give(n int) { s.held.Add(int64(-n)) }

// TokenChange is the change that a request "allowed" asks for.
type TokenChange struct {
	action string // enable disable add remove
	tokens []string
	codes  kit.Codes
}

// TokenFields are the fields of a TokenChange.
var TokenFields = []schema.Field{{Name: "action", Type: schema.String, Required: true}, {Name: "allowed", Type: schema.Array}}

// ReadTokenChange reads one.
func ReadTokenChange(body kit.Args, c kit.Codes) (x TokenChange, err *schema.Error) {
	x.action, x.codes = body.Lower("action"), c
	if !slices.Contains([]string{"enable", "disable", "add", "remove"}, x.action) {
		return x, kit.Errorf(c.Invalid, "Unsupported action '%s' (allowed)", x.action)
	}
	x.tokens, err = TokensOf(body, c)
	return x, err
}

// Apply returns the tokens after the change; the argument stays as it is.
func (x TokenChange) Apply(t *Tokens) (Tokens, *schema.Error) {
	after := Tokens{On: t.On, list: slices.Clone(t.list)}
	switch x.action {
	case "enable", "disable":
		after.On = x.action == "enable"
	case "add":
		if size(t.list)+size(x.tokens) > maxTokens {
			return after, tooMany(x.codes)
		}
		after.Add(x.tokens...)
	case "remove":
		after.list = slices.DeleteFunc(after.list, func(token string) bool { return slices.Contains(x.tokens, token) })
	}
	return after, nil
}

// Write writes the tokens into the answer, unless nobody needs one any more.
func (x TokenChange) Write(w *json.Writer, t *Tokens) {
	if x.action == "disable" {
		return
	}
	w.Array("allowed")
	for _, token := range t.list {
		w.Str("", token)
	}
	w.EndArray()
}

// Save sets "allowed" in the entry of a file if one needs a token.
func (t *Tokens) Save(g *config.Group) {
	if t.On {
		g.SetArray("allowed", t.list...)
	}
}

// Load takes "allowed" from the entry of a file: a value that is no list lets nobody in.
func (t *Tokens) Load(c *config.Reader) {
	tokens, limited := c.Texts("allowed")
	t.On = limited
	t.Add(tokens...)
}

func size(texts []string) (n int) {
	for _, t := range texts {
		n += len(t) + tokenCost
	}
	return n
}
