package kit

import (
	"errors"
	"fmt"
	"log/slog"

	"bifrons/api/config"
	"bifrons/api/schema"
)

// ErrGone is returned for the settings of an entry when the thing was
// destroyed meanwhile: it is not saved, and that is no failure.
var ErrGone = errors.New("kit: the entry to save is gone")

// File is the configuration file of a plugin, <Package>.jcfg or .cfg: the category
// general and, if Load is not nil, entries, which are things of users such as rooms.
// Everything but Save is for one goroutine at a time.
type File struct {
	Folder, Package string
	Entry           string // the users' word for an entry: "room"
	// Count is how many things of entries there are; nil if there are no entries.
	Count func() int
	// General takes the plugin's settings; f is nil if there is no file. What is
	// wrong keeps nobody from starting.
	General func(f config.PluginFile) []config.Problem
	// Load makes the thing of an entry, and says why if it is left out. It
	// must not call File.
	Load func(c *config.Reader) (leftOut string)
	// Has reports whether there is the thing of an entry already. Without it nothing is
	// read again.
	Has func(c *config.Reader) bool
	// Key says which entry a category is, "" if none; see config.OpenStore.
	Key func(c *config.Group) string

	log   *slog.Logger
	name  string        // path, "" = there is no file
	store *config.Store // nil = there is no file
}

// Start reads the file. It is an error if nobody can read it.
func (f *File) Start(log *slog.Logger) error {
	f.log = log
	file, problems := config.LoadFile(f.Folder, f.Package)
	if !config.Report(log, problems) {
		return fmt.Errorf("configuration file of %s is wrong", f.Package)
	}
	if file != nil {
		f.name = file.Name
		if f.Key != nil {
			f.store = config.OpenStore(file.Name, f.Key)
		}
	}
	config.Report(log, f.read(file))
	return nil
}

func (f *File) read(file *config.File) []config.Problem {
	pf := config.PluginFile{File: file}
	problems := f.General(pf)
	if f.Load == nil {
		return append(problems, pf.Entries("category", func(*config.Reader) string { return "there is no such thing in this file" })...)
	}
	return append(problems, pf.Entries(f.Entry, f.Load)...)
}

// Check reads the file as Start does, and returns what it has found, such as "2 rooms",
// and everything that is wrong with it.
func (f *File) Check() (found string, problems []config.Problem) {
	file, problems := config.LoadFile(f.Folder, f.Package)
	problems = append(problems, f.read(file)...)
	if f.Count != nil {
		found = Count(f.Count(), f.Entry)
	}
	return found, problems
}

// Reload loads the entries that are new in the file and returns their names.
// Nothing else changes.
func (f *File) Reload() (added []string, err error) {
	if f.Has == nil {
		return nil, nil
	}
	file, problems := config.LoadFile(f.Folder, f.Package)
	if file == nil && len(problems) == 0 && f.name == "" {
		return nil, nil // there never was one
	}
	if file == nil || config.HasErrors(problems) {
		return nil, fmt.Errorf("configuration file of %s is missing or wrong: %v", f.Package, problems)
	}
	if f.name != "" && file.Name != f.name {
		return nil, fmt.Errorf("configuration file %s is gone, %s is not read in its place", f.name, file.Name)
	}
	problems = config.PluginFile{File: file}.Entries(f.Entry, func(c *config.Reader) (leftOut string) {
		if f.Has(c) {
			return ""
		}
		if leftOut = f.Load(c); leftOut == "" {
			added = append(added, c.Category())
		}
		return leftOut
	})
	config.Report(f.log, problems)
	return added, nil
}

// Permanent reports whether a request is about the file as well. It is an error with a code
// if there is none; what names the action that is impossible then.
func (f *File) Permanent(request Args, code int, what string) (bool, *schema.Error) {
	permanent := request.Is("permanent")
	if permanent && f.name == "" {
		return false, Errorf(code, "No configuration file, can't %s", what)
	}
	return permanent, nil
}

// Save adds an entry to the file or replaces it, see config.Store.Put, and tells
// whether it is there now. A failure is logged. It takes the disk's time.
func (f *File) Save(key string, settings func(name string) (*config.Group, error), names ...string) bool {
	return f.report(key, f.store.Put(key, settings, names...))
}

// SaveOne saves one setting of an entry that is in the file.
func (f *File) SaveOne(key, setting string, settings func() (*config.Group, error)) bool {
	return f.report(key, f.store.Set(key, setting, settings))
}

// Remove takes an entry out of the file, and reports whether it is out.
func (f *File) Remove(key string) bool { return f.report(key, f.store.Remove(key)) }

func (f *File) report(key string, err error) bool {
	if err != nil && !errors.Is(err, ErrGone) {
		f.log.Error(f.Entry+" not saved", f.Entry, key, "error", err)
	}
	return err == nil
}
