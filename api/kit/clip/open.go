package clip

import (
	"errors"
	"os"
	"path/filepath"

	"bifrons/api/kit"
)

var errOutside = errors.New("the file is in no folder that files may be in")

// open opens a regular file in one of the folders for reading, and never waits
// for it. Links are followed to where the folders are; without folders, that is the
// one of the name.
func open(name string, folders []string) (*os.File, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		folders = []string{filepath.Dir(full)}
	}
	named := false
	var homes []string // without links
	for _, folder := range folders {
		if folder, err = filepath.Abs(folder); err != nil {
			continue
		}
		home, err := filepath.EvalSymlinks(folder)
		if err == nil {
			homes = append(homes, home)
		}
		_, here := within(folder, full)
		_, there := within(home, full)
		named = named || here || there
	}
	if !named {
		return nil, errOutside // whether it exists or not
	}
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return nil, err
	}
	for _, home := range homes {
		if rel, ok := within(home, real); ok {
			return kit.OpenIn(home, rel)
		}
	}
	return nil, errOutside
}

// within is the path of a file below a folder.
func within(folder, file string) (rel string, ok bool) {
	rel, err := filepath.Rel(folder, file)
	return rel, err == nil && filepath.IsLocal(rel)
}
