package rooms

import (
	"sync"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/plugin"
	"bifrons/api/schema"
)

// Room is a Thing that clients make, change and destroy by a Desk.
type Room interface {
	Thing
	// Settings are the settings in requests and in the file. The lock is held.
	Settings() kit.Settings
}

// Desk answers the requests by which rooms are made, changed, destroyed and listed, and
// keeps those in the file that are permanent. The functions are the plugin's part.
type Desk[T Room] struct {
	Registry[T]
	Key      string    // names the plugin in answers
	File     *kit.File // see Keep
	Events   *kit.Events
	AdminKey *string // needed to make rooms, "" = none

	Taken  int // code: a room has the id
	Failed int // code: whatever has none

	// Check checks what the types of a request's fields do not express. It is called
	// before Make and before Change; new_ stands before names in the latter case.
	Check func(body kit.Args, prefix string) *schema.Error
	// Entry checks an entry of the file; see Strays.
	Entry func(c *config.Reader)
	// Make makes a room that nobody knows of yet.
	Make func(id string, src kit.Values, description string) T
	// Changed is called after an edit, with the lock; may be nil.
	Changed func(t T, body kit.Args)
	// End ends a room for everybody in it, with the lock. The request is
	// nil if the plugin ends.
	End func(t T, x *Request)
	// Describe writes the fields of the list entry that are not settings, with the lock held.
	Describe func(t T, w *json.Writer)

	tokens tokenSum

	mu    sync.Mutex
	saved map[string]T // the rooms that are in the file, by id
}

// Keep makes the rooms the entries of a file.
func (d *Desk[T]) Keep(f *kit.File) {
	d.File = f
	f.Entry, f.Count, f.Load, f.Has, f.Key = "room", d.Len, d.Load, d.HasCategory, d.CategoryKey
}

// Request is a request to a Desk.
type Request struct {
	Host plugin.Host
	Body kit.Args
	W    *json.Writer
	Done string // said instead of "created", "edited" and "destroyed", if not ""

	// Fits, if not nil, is called when the answer of a request that changes something
	// is complete and may be long; with an error nothing is changed.
	Fits func() *schema.Error
}

// By makes a function of a Desk the one of a row in a table of requests.
func By(f func(x *Request) *schema.Error) func(r *kit.Request, w *json.Writer) *schema.Error {
	return func(r *kit.Request, w *json.Writer) *schema.Error {
		return f(&Request{Host: r.Host, Body: r.Body, W: w})
	}
}

// Create makes a room.
func (d *Desk[T]) Create(x *Request) *schema.Error {
	if err := d.Codes.Authorize(x.Body, "admin_key", *d.AdminKey); err != nil {
		return err
	}
	tokens, err := TokensOf(x.Body, d.Codes)
	if err == nil {
		err = d.Check(x.Body, "")
	}
	var permanent bool
	if err == nil {
		permanent, err = d.File.Permanent(x.Body, d.Failed, "create permanent room")
	}
	if err != nil {
		return err
	}
	maker := Maker(x.Host, *d.AdminKey)
	if why := d.Full(maker, "rooms"); why != "" {
		return kit.Errorf(d.Failed, "%s", why)
	}
	id, free := d.Reserve(x.Body, d.Field)
	if !free {
		return kit.Errorf(d.Taken, "Room %s already exists", id)
	}
	defer d.Release(id)
	n := size(tokens)
	if err := d.tokens.take(n, d.Codes); err != nil {
		return err
	}
	t := d.Make(id, kit.FromRequest(x.Body), "Room "+id)
	a := t.access()
	a.Tokens.Add(tokens...)
	d.tokens.give(n - size(a.Tokens.list)) // those given twice
	a.Tokens.On = x.Body.Has("allowed")
	a.Signed = a.Signed && d.Events.Gateway.SignedTokens() // rooms made without them need none later
	d.CommitBy(maker, id, t)
	d.answer(x, "created", id, permanent, func() bool { return d.save(id, t) })
	return nil
}

// Edit changes a room.
func (d *Desk[T]) Edit(x *Request) *schema.Error {
	permanent, err := d.File.Permanent(x.Body, d.Failed, "edit room permanently")
	if err == nil {
		err = d.Check(x.Body, "new_")
	}
	var edited T
	if err == nil {
		err = d.Manage(x.Body, func(t T) *schema.Error {
			t.Settings().Edit(kit.FromRequest(x.Body))
			if d.Changed != nil {
				d.Changed(t, x.Body)
			}
			edited = t
			return nil
		})
	}
	if err != nil {
		return err
	}
	id := d.id(x)
	d.answer(x, "edited", id, permanent, func() bool { return d.save(id, edited) })
	return nil
}

// Destroy ends a room.
func (d *Desk[T]) Destroy(x *Request) *schema.Error {
	permanent, err := d.File.Permanent(x.Body, d.Failed, "destroy room permanently")
	var gone T
	if err == nil {
		err = d.Manage(x.Body, func(t T) *schema.Error {
			d.end(t, x)
			gone = t
			return nil
		})
	}
	if err != nil {
		return err
	}
	id := d.id(x)
	if !permanent { // the entry stays, and is that of no room any more
		d.forget(id, gone)
	}
	defer d.Remove(id, gone) // not before the file is written: the id may be in use again
	d.answer(x, "destroyed", id, permanent, func() bool {
		worked := d.File.Remove(id)
		d.forget(id, gone)
		return worked
	})
	return nil
}

// id is that of the room which a request names.
func (d *Desk[T]) id(x *Request) string {
	id, _ := d.IDs.Read(x.Body, d.Field)
	return id
}

// answer informs event handlers of what was done, saves it if that is wanted, and answers.
func (d *Desk[T]) answer(x *Request, done, id string, permanent bool, save func() bool) {
	d.Events.Notify(x.Host, func(w *json.Writer) {
		w.Str("event", done)
		d.IDs.Write(w, d.Field, id)
	})
	if permanent {
		permanent = save()
	}
	if x.Done != "" {
		done = x.Done
	}
	x.W.Str(d.Key, done)
	d.IDs.Write(x.W, d.Field, id)
	x.W.Bool("permanent", permanent)
}

// List describes the rooms; hidden ones only to holders of the admin key.
// given reports whether the request has one.
func (d *Desk[T]) List(x *Request, given bool) *schema.Error {
	private := given && *d.AdminKey != ""
	if private {
		if err := d.Codes.Authorize(x.Body, "admin_key", *d.AdminKey); err != nil {
			return err
		}
	}
	x.W.Str(d.Key, "success")
	x.W.Array("list")
	for id, t := range d.byID() {
		d.describe(x.W, id, t, private)
	}
	x.W.EndArray()
	return nil
}

func (d *Desk[T]) describe(w *json.Writer, id string, t T, private bool) {
	t.Lock()
	defer t.Unlock()
	a := t.access()
	if a.Gone || a.Hidden && !private {
		return
	}
	w.Object("")
	d.IDs.Write(w, d.Field, id)
	w.Bool("pin_required", a.PIN != "")
	d.Describe(t, w)
	t.Settings().Write(w)
	w.End()
}

// Exists reports whether there is a room.
func (d *Desk[T]) Exists(x *Request) *schema.Error {
	id := d.id(x)
	_, is := d.Get(id)
	x.W.Str(d.Key, "success")
	d.IDs.Write(x.W, d.Field, id)
	x.W.Bool("exists", is)
	return nil
}

// Allowed changes who may enter. If the room is in the file that is saved, and nothing
// else: it is never to be more open after a start than before.
func (d *Desk[T]) Allowed(x *Request) *schema.Error {
	change, err := ReadTokenChange(x.Body, d.Codes)
	if err != nil {
		return err
	}
	id := d.id(x)
	var changed T
	if err := d.Manage(x.Body, func(t T) *schema.Error {
		changed = t
		return d.change(change, &t.access().Tokens, func(after *Tokens) *schema.Error {
			x.W.Str(d.Key, "success")
			d.IDs.Write(x.W, d.Field, id)
			change.Write(x.W, after)
			if x.Fits != nil {
				return x.Fits()
			}
			return nil
		})
	}); err != nil {
		return err
	}
	if d.isSaved(id, changed) {
		d.File.SaveOne(id, "allowed", func() (*config.Group, error) { return entry(changed) })
	}
	return nil
}

// change changes the tokens of a room, with its lock, unless it is refused by answer, which is
// given what they will be.
func (d *Desk[T]) change(x TokenChange, t *Tokens, answer func(after *Tokens) *schema.Error) *schema.Error {
	most := 0
	if x.action == "add" {
		most = size(x.tokens)
	}
	if err := d.tokens.take(most, d.Codes); err != nil {
		return err
	}
	before := size(t.list)
	after, err := x.Apply(t)
	if err == nil {
		err = answer(&after)
	}
	if err == nil {
		*t = after
	}
	d.tokens.give(most - (size(t.list) - before))
	return err
}

// Load makes the room of an entry of the file, and says why if it is left out.
func (d *Desk[T]) Load(c *config.Reader) (leftOut string) {
	id, leftOut := d.ReserveCategory(c.Category())
	if leftOut != "" {
		return leftOut
	}
	defer d.Release(id)
	if bad := c.Unreadable("secret", "pin"); bad != "" {
		return "without its " + bad + " it would be open"
	}
	d.Entry(c)
	t := d.Make(id, kit.FromFile(c), c.Category())
	a := t.access()
	a.Tokens.Load(c)
	d.tokens.give(-size(a.Tokens.list))
	d.Commit(id, t)
	d.note(id, t)
	return ""
}

// Close ends all rooms.
func (d *Desk[T]) Close() {
	for _, t := range d.Clear() {
		d.close(t)
	}
}

func (d *Desk[T]) close(t T) {
	t.Lock()
	defer t.Unlock()
	d.end(t, nil)
}

// end ends a room, with its lock.
func (d *Desk[T]) end(t T, x *Request) {
	d.End(t, x)
	d.tokens.give(size(t.access().Tokens.list))
}

func (d *Desk[T]) save(id string, t T) bool {
	worked := d.File.Save(id, func(string) (*config.Group, error) { return entry(t) }, "room-"+id)
	if worked {
		d.note(id, t)
	}
	return worked
}

// note notes that a room is in the file, unless it was destroyed meanwhile.
func (d *Desk[T]) note(id string, t T) {
	t.Lock()
	defer t.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.access().Gone {
		return
	}
	if d.saved == nil {
		d.saved = make(map[string]T)
	}
	d.saved[id] = t
}

// forget notes that a room is not, or that its entry is no longer its own.
func (d *Desk[T]) forget(id string, t T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.saved[id] == t {
		delete(d.saved, id)
	}
}

func (d *Desk[T]) isSaved(id string, t T) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saved[id] == t
}

// entry is a room in the file.
func entry[T Room](t T) (*config.Group, error) {
	t.Lock()
	defer t.Unlock()
	if t.access().Gone {
		return nil, kit.ErrGone
	}
	g := new(config.Group)
	t.Settings().Save(g)
	t.access().Tokens.Save(g)
	return g, nil
}
