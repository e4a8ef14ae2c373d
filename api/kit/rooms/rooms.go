// Package rooms keeps the things that clients of a plugin make, find and destroy by id, such as
// rooms and mountpoints, says who may, and answers the requests about rooms. It knows
// nothing of who is in them.
package rooms

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"bifrons/api/config"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Thing is an item of a Registry.
type Thing interface {
	comparable
	sync.Locker
	access() *Access // it embeds one
}

// Registry has things by their ids. Its own lock is held for nothing but looking
// up, so that its methods may be called with any other lock held, except for With
// and Manage, which take the thing's.
type Registry[T Thing] struct {
	IDs   *schema.IDs // the plugin's; fixed before there are clients
	Field string      // with the id in requests: "room"
	Codes kit.Codes
	// NoSuch is the error for an id that is nobody's.
	NoSuch func(id string) *schema.Error

	mu     sync.Mutex
	all    map[string]T
	coming map[string]struct{} // ids of things that are being made
	makers map[string]uint64   // by id of the things a session has made
	made   map[uint64]int      // how many each session has
}

// Bounds for clients.
const (
	MaxRooms     = 10000 // how many things there may be for clients to make more
	MaxOfSession = 1000  // how many one session may have made
)

// Full says why a session may not make one more thing, "" if it may; what says what
// things are, such as "rooms". Session 0 has no bound of its own.
func (r *Registry[T]) Full(session uint64, what string) (why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.all) >= MaxRooms:
		return fmt.Sprintf("Too many %s (%d at most)", what, MaxRooms)
	case session != 0 && r.made[session] >= MaxOfSession:
		return fmt.Sprintf("Too many %s of one session (%d at most without an admin_key)", what, MaxOfSession)
	}
	return ""
}

// Maker is who counts for Full as having made something: the session, or nobody if only
// those make things who know a key.
func Maker(h plugin.Host, key string) uint64 {
	if key != "" {
		return 0
	}
	return h.SessionID()
}

// Get finds a thing by its id; false if there is none.
func (r *Registry[T]) Get(id string) (T, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.all[id]
	return t, ok
}

// Len is how many there are.
func (r *Registry[T]) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// Title is the display title of a thing that has one, for plugin.Rooms.
func (r *Registry[T]) Title(id string) string {
	t, ok := r.Get(id)
	if !ok {
		return ""
	}
	t.Lock()
	defer t.Unlock()
	if x, ok := any(t).(interface{ Title() string }); ok {
		return x.Title()
	}
	return ""
}

// Sorted is all things in the order of their ids.
func (r *Registry[T]) Sorted() []T {
	var list []T
	for _, t := range r.byID() {
		list = append(list, t)
	}
	return list
}

// byID is all things with their ids, in the order of these.
func (r *Registry[T]) byID() iter.Seq2[string, T] { return r.sort(r.copy()) }

func (r *Registry[T]) sort(all map[string]T) iter.Seq2[string, T] {
	ids := slices.SortedFunc(maps.Keys(all), r.IDs.Compare)
	return func(yield func(string, T) bool) {
		for _, id := range ids {
			if !yield(id, all[id]) {
				return
			}
		}
	}
}

func (r *Registry[T]) copy() map[string]T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.all)
}

// take leaves nothing.
func (r *Registry[T]) take() map[string]T {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all, r.makers, r.made = nil, nil, nil
	return all
}

// Reserve takes the id under a field of a request for a thing that is to be made,
// or a random one if there is none; false if the id is in use. Commit or Release
// has to follow.
func (r *Registry[T]) Reserve(body kit.Args, field string) (id string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok = r.IDs.Choose(body, field, r.taken); ok {
		r.reserve(id)
	}
	return id, ok
}

// ReserveID is Reserve for an id that is at hand, if one is given.
func (r *Registry[T]) ReserveID(id string, given bool) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !given {
		id = r.IDs.Free(r.taken)
	} else if r.taken(id) {
		return id, false
	}
	r.reserve(id)
	return id, true
}

func (r *Registry[T]) reserve(id string) {
	if r.coming == nil {
		r.coming = make(map[string]struct{})
	}
	r.coming[id] = struct{}{}
}

func (r *Registry[T]) taken(id string) bool {
	_, is := r.all[id]
	_, comes := r.coming[id]
	return is || comes
}

// Commit makes a thing known by the id that was reserved for it.
func (r *Registry[T]) Commit(id string, t T) { r.CommitBy(0, id, t) }

// CommitBy is Commit for a thing made by a session, for which it counts until it is removed.
func (r *Registry[T]) CommitBy(session uint64, id string, t T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, id)
	if session != 0 {
		if r.made == nil {
			r.makers, r.made = make(map[string]uint64), make(map[uint64]int)
		}
		r.makers[id] = session
		r.made[session]++
	}
	if r.all == nil {
		r.all = make(map[string]T)
	}
	r.all[id] = t
}

// Release gives a reserved id up; without effect after Commit.
func (r *Registry[T]) Release(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.coming, id)
}

// Remove forgets a thing; false if its id is not, or no longer, its own.
func (r *Registry[T]) Remove(id string, t T) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.all[id]; !ok || known != t {
		return false
	}
	delete(r.all, id)
	if session, ok := r.makers[id]; ok {
		delete(r.makers, id)
		if r.made[session]--; r.made[session] == 0 {
			delete(r.made, session)
		}
	}
	return true
}

// Clear forgets all things and returns them.
func (r *Registry[T]) Clear() []T {
	var list []T
	for _, t := range r.sort(r.take()) {
		list = append(list, t)
	}
	return list
}

// Find finds the thing that a request names.
func (r *Registry[T]) Find(body kit.Args) (t T, err *schema.Error) {
	if err := r.Codes.Check([]schema.Field{r.IDs.Field(r.Field, true)}, body); err != nil {
		return t, err
	}
	id, _ := r.IDs.Read(body, r.Field)
	t, ok := r.Get(id)
	if !ok {
		return t, r.NoSuch(id)
	}
	return t, nil
}

// With runs f with the lock of the thing that a request names.
func (r *Registry[T]) With(body kit.Args, f func(T) *schema.Error) *schema.Error {
	t, err := r.Find(body)
	if err != nil {
		return err
	}
	t.Lock()
	defer t.Unlock()
	if t.access().Gone {
		id, _ := r.IDs.Read(body, r.Field)
		return r.NoSuch(id)
	}
	return f(t)
}

// Manage is With for those who know the thing's secret.
func (r *Registry[T]) Manage(body kit.Args, f func(T) *schema.Error) *schema.Error {
	return r.With(body, func(t T) *schema.Error {
		if err := r.Codes.Authorize(body, "secret", t.access().Secret); err != nil {
			return err
		}
		return f(t)
	})
}

// CategoryID is the id in the name of a category, with or without "room-" before it;
// false if it is none.
func (r *Registry[T]) CategoryID(category string) (id string, ok bool) {
	const prefix = "room-"
	id = category
	if len(id) > len(prefix) && strings.EqualFold(id[:len(prefix)], prefix) {
		id = id[len(prefix):]
	}
	if !r.IDs.Strings {
		id = strings.TrimLeft(id, "0")
	}
	return id, r.IDs.Canonical(id)
}

// ReserveCategory is Reserve for the id in the name of a category, and says why that
// cannot be had.
func (r *Registry[T]) ReserveCategory(category string) (id, leftOut string) {
	id, ok := r.CategoryID(category)
	if !ok {
		return "", "its name is no id of a room, which is a number from 1 on unless string_ids is set"
	}
	if _, free := r.ReserveID(id, true); !free {
		return "", "there is a room " + id + " already"
	}
	return id, ""
}

// CategoryKey is CategoryID as the key of an entry; see kit.File.
func (r *Registry[T]) CategoryKey(c *config.Group) string {
	if id, ok := r.CategoryID(c.Name); ok && !config.IsGeneral(c) {
		return id
	}
	return ""
}

// HasCategory reports whether there is the thing of a category.
func (r *Registry[T]) HasCategory(c *config.Reader) bool {
	_, ok := r.Get(r.CategoryKey(c.Group()))
	return ok
}
