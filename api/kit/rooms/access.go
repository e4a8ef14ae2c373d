package rooms

import (
	"maps"
	"sync"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// Access is who may manage a thing, who may enter it, and who sees it in lists. Things
// embed it.
type Access struct {
	sync.Locker // guards the thing, with all below; fixed

	Secret string // to manage it, "" = everybody may
	PIN    string // to enter it, likewise
	Signed bool   // one enters with a token that was signed, if this server has such tokens
	Tokens Tokens // one enters with
	Hidden bool   // left out from lists
	Gone   bool   // it was destroyed
}

func (a *Access) access() *Access { return a }

// Enter is an error for those who may not enter a room, with its lock: without a signed
// token that it needs, and without the pin.
func (d *Desk[T]) Enter(t T, body kit.Args) *schema.Error {
	a, gw := t.access(), d.Events.Gateway
	id, _ := d.IDs.Read(body, d.Field)
	if a.Signed && gw.SignedTokens() && !gw.SignedFor(body.Str("token"), d.File.Package, d.Field+"="+id) {
		return kit.Errorf(d.Codes.Unauthorized, "Unauthorized (wrong token)")
	}
	return d.Codes.Authorize(body, "pin", a.PIN)
}

// Invited is an error for those who have none of the tokens of a room, with its lock.
func (d *Desk[T]) Invited(t T, body kit.Args) *schema.Error {
	if !t.access().Tokens.Admit(body.Str("token")) {
		return kit.Errorf(d.Codes.Unauthorized, "Unauthorized (not in the allowed list)")
	}
	return nil
}

// NoSuchRoom makes a Registry.NoSuch for rooms.
func NoSuchRoom(code int) func(id string) *schema.Error {
	return func(id string) *schema.Error { return kit.Errorf(code, "No such room (%s)", id) }
}

// Strays finds misplaced names in an entry of a file, which has settings and
// tokens. guards says what stands open without some of them, besides those of Access.
func Strays(c *config.Reader, s kit.Settings, guards map[string]string) {
	names := []string{"allowed"}
	for i := range s {
		names = append(names, s[i].Name)
	}
	all := map[string]string{
		"secret": "everybody may change and destroy the room", "pin": "everybody may join",
		"allowed": "everybody may join", "is_private": "the room is in the list",
	}
	maps.Copy(all, guards)
	c.Strays(names, nil, all)
}
