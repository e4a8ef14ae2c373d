package kit

import (
	"errors"
	"os"
	"syscall"
)

// ErrIrregular is returned by OpenIn for devices, pipes and the like.
var ErrIrregular = errors.New("it is no regular file")

// OpenIn opens a regular file below a folder for reading, and never waits for it. It
// looks before, as opening may do something to a device, and afterwards, as the file may
// be another one by then. Links do not lead out of the folder.
func OpenIn(folder, rel string) (*os.File, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(rel)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrIrregular
	}
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = ErrIrregular
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
