package admin

import (
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"slices"
)

var tokenField = schema.Field{Name: "token", Type: schema.String, Required: true}

// stored answers with an error if there is no table of tokens.
func (a *Admin) stored(q *query) bool {
	if !a.core.Auth().Stored() {
		q.unknown("Stored-Token based authentication disabled")
	}
	return a.core.Auth().Stored()
}

func writeStrings(w *json.Writer, name string, list []string) {
	w.Array(name)
	for _, s := range list {
		w.Str("", s)
	}
	w.EndArray()
}

func (q *query) okPlugins(list []string) {
	q.ok(func(w *json.Writer) {
		w.Object("data")
		writeStrings(w, "plugins", list)
		w.End()
	})
}

// addToken stores a token for the plugins that are named, or for all. Names of
// no plugin are left out.
func (a *Admin) addToken(q *query) {
	if !a.stored(q) || !q.check(tokenField, schema.Field{Name: "plugins", Type: schema.Array}) {
		return
	}
	var allowed []string
	if q.Root.Has("plugins") {
		named, _ := q.Root.Texts("plugins")
		for _, pkg := range named {
			if a.core.Plugin(pkg) != nil {
				allowed = append(allowed, pkg)
			}
		}
	} else {
		for _, p := range a.core.Plugins() {
			allowed = append(allowed, p.Info().Package)
		}
	}
	q.okPlugins(a.core.Auth().Add(q.Root.Str("token"), allowed))
}

func (a *Admin) allowToken(q *query) { a.changeToken(q, a.core.Auth().Allow) }

func (a *Admin) disallowToken(q *query) { a.changeToken(q, a.core.Auth().Disallow) }

func (a *Admin) changeToken(q *query, change func(token string, plugins []string) ([]string, bool)) {
	if !a.stored(q) || !q.check(tokenField) {
		return
	}
	token := q.Root.Str("token")
	if !a.core.Auth().Exists(token) {
		q.failf(janus.ErrTokenNotFound, "Token %s not found", token)
		return
	}
	if !schema.NonEmptyArray.Is(q.Root.Get("plugins")) {
		q.fail(janus.ErrInvalidType, "Invalid element type (plugins should be a non-empty array)")
		return
	}
	list, ok := q.Root.Texts("plugins")
	if !ok || slices.ContainsFunc(list, func(pkg string) bool { return a.core.Plugin(pkg) == nil }) {
		q.fail(janus.ErrInvalidType, "Invalid element type (some of the provided plugins are invalid)")
		return
	}
	allowed, ok := change(token, list)
	if !ok { // removed meanwhile
		q.failf(janus.ErrTokenNotFound, "Token %s not found", token)
		return
	}
	q.okPlugins(allowed)
}

// listTokens lists the tokens that are of any use.
func (a *Admin) listTokens(q *query) {
	if !a.stored(q) {
		return
	}
	q.ok(func(w *json.Writer) {
		w.Object("data")
		w.Array("tokens")
		for _, t := range a.core.Auth().List() {
			if len(t.Plugins) == 0 {
				continue
			}
			w.Object("")
			w.Str("token", t.Token)
			writeStrings(w, "allowed_plugins", t.Plugins)
			w.End()
		}
		w.EndArray()
		w.End()
	})
}

func (a *Admin) removeToken(q *query) {
	if !a.stored(q) || !q.check(tokenField) {
		return
	}
	if !a.core.Auth().Remove(q.Root.Str("token")) {
		q.unknown("Error removing token")
		return
	}
	q.ok(nil)
}
