package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// unfinished is the name under which new content of a file is written. It is
// always the same, so that of processes that die no more than one is left.
func unfinished(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".saving")
}

// replaceFile gives a file that exists new content: all of it or, when that
// fails, nothing. The file keeps its permissions, and its owner as far as the
// process may give it away. The content is on the disk when it returns.
func replaceFile(path string, data []byte) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	name := unfinished(path)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	_, err = f.Write(data)
	mode := keepOwner(f, info) // before the mode gives rights to the group
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(name, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
