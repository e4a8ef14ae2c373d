package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Store is a configuration file whose categories are entries, which are added,
// replaced and removed one at a time: everything else in the file, comments
// included, stays as it is. Each change is there as a whole or not at all, and
// lasts, even if the process or the machine dies. Its methods may be called from
// any goroutine. A nil Store cannot be written.
type Store struct {
	path string
	key  func(*Group) string
	mu   sync.Mutex // held while the file changes
}

// OpenStore makes a Store of a file, and removes the leftovers of an interrupted change
// beside it.
//
// key says which entry a category is, by the same rules by which the file is
// read; "" stands for a category that is none, which is never touched. Entries
// are found by nothing else.
func OpenStore(path string, key func(category *Group) string) *Store {
	s := &Store{path: path, key: key}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		_ = os.Remove(unfinished(target))
	}
	return s
}

// Writable reports whether the file is of the form that can be written, jcfg.
func (s *Store) Writable() bool { return s != nil && strings.HasSuffix(s.path, ".jcfg") }

// Put adds an entry, or replaces it. It keeps the category that it has; a new one
// gets the first of these names that is free and by which key finds it again,
// or else the last one with a number. entry makes the settings for a category of
// that name; it may be called several times, and its error is passed on.
//
// It is an error if the entry would not be found again, or if it is in a file
// that this one includes. Then nothing has changed.
func (s *Store) Put(key string, entry func(name string) (*Group, error), names ...string) error {
	return s.change(key, true, func(d *document) error { return d.put(key, names, entry) })
}

// Set gives one setting of an entry the value that entry makes, or
// takes it out if it has none there. It is an error if there is no such entry; that
// of entry is passed on.
func (s *Store) Set(key, setting string, entry func() (*Group, error)) error {
	return s.change(key, true, func(d *document) error {
		g, err := entry()
		if err != nil {
			return err
		}
		return d.set(key, setting, g.Get(setting))
	})
}

// Remove takes an entry out. One that is not there is no error.
func (s *Store) Remove(key string) error {
	return s.change(key, false, func(d *document) error { return d.remove(key) })
}

func (s *Store) change(key string, present bool, change func(*document) error) error {
	switch {
	case !s.Writable():
		return errors.New("only .jcfg files can be written")
	case key == "":
		return errNoEntry
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	target, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		return err
	}
	src, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	d := &document{path: s.path, key: s.key, include: includes(s.path), src: src}
	if err := d.edit(key, present, func() error { return change(d) }); err != nil {
		return err
	}
	if bytes.Equal(d.src, src) {
		return nil
	}
	return replaceFile(target, d.src)
}
