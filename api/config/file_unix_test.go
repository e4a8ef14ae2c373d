//go:build unix

package config

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file of somebody else stays his.
func TestStoreKeepsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	const uid, gid = 4711, 4712
	path := filepath.Join(folder(t, map[string]string{"x.jcfg": ""}), "x.jcfg")
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if err := OpenStore(path, byName).Put("a", entry("k", "v"), "a"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || st.Gid != gid || info.Mode().Perm() != 0o640 {
		t.Errorf("owner %d:%d, mode %v", st.Uid, st.Gid, info.Mode())
	}
}
