//go:build unix

package pfunix

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// socketFile is a listening socket as systemd would hand it over.
func socketFile(t *testing.T, typ Type, path string) *os.File {
	t.Helper()
	var f *os.File
	var err error
	if typ == Datagram {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f, err = c.File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if f, err = l.File(); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSystemdSocket serves a socket that somebody else has opened, whatever
// type the configuration names.
func TestSystemdSocket(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		path := filepath.Join(t.TempDir(), "api")
		f := socketFile(t, typ, path)
		r := start(t, typ, Config{API: Address{Enabled: true, Type: 1 - typ, Socket: f}})
		r.path = path
		c, _ := r.established()
		c.Close()
		r.server.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("systemd's socket is gone: %v", err)
		}
	})
}

// TestActivated runs this test in another process that gets two sockets.
func TestActivated(t *testing.T) {
	if os.Getenv("BIFRONS_ACTIVATED") != "" {
		if os.Getenv("BIFRONS_ACTIVATED") == "mine" {
			os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		}
		api, admin := Activated()
		if _, left := os.LookupEnv("LISTEN_FDS"); left {
			t.Error("LISTEN_FDS is inherited")
		}
		if os.Getenv("BIFRONS_ACTIVATED") != "mine" {
			if api != nil || admin != nil {
				t.Error("took sockets that were meant for another process")
			}
			return
		}
		for want, f := range map[Type]*os.File{SeqPacket: api, Datagram: admin} {
			if f == nil {
				t.Fatal("a socket is missing")
			}
			if typ, err := socketType(f); err != nil || typ != want {
				t.Errorf("type %v, %v; want %v", typ, err, want)
			}
		}
		return
	}
	dir := t.TempDir()
	for _, whose := range []string{"mine", "another"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestActivated$")
		cmd.Env = append(os.Environ(), "BIFRONS_ACTIVATED="+whose, "LISTEN_PID=1", "LISTEN_FDS=2")
		cmd.ExtraFiles = []*os.File{
			socketFile(t, SeqPacket, filepath.Join(dir, "a"+whose)), socketFile(t, Datagram, filepath.Join(dir, "b"+whose)),
		}
		out, err := cmd.CombinedOutput()
		for _, f := range cmd.ExtraFiles {
			f.Close()
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", whose, err, out)
		}
	}
}
