package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	api "bifrons/api/client"
	"bifrons/api/config"
	"bifrons/api/log"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// child is a server in a process of its own.
type child struct {
	*exec.Cmd
	ended chan struct{}
	path  string // of its socket
}

// startChild starts a server, whose recordings have a suffix while they are open. The test
// has to call beChild first.
func startChild(t *testing.T) *child {
	t.Helper()
	dir := t.TempDir()
	c := &child{ended: make(chan struct{}), path: filepath.Join(dir, "api")}
	for name, text := range map[string]string{
		"janus.jcfg":                      "general: { recordings_tmp_ext = \"part\"  session_timeout = 0 }",
		"janus.transport.http.jcfg":       "general: { http = false }",
		"janus.transport.websockets.jcfg": "general: { ws = false }",
		"janus.transport.pfunix.jcfg":     fmt.Sprintf("general: { enabled = true  path = %q }", c.path),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Cmd = exec.Command(os.Args[0], "-test.run=^"+strings.Split(t.Name(), "/")[0]+"$")
	c.Env = append(os.Environ(), "BIFRONS_CHILD="+dir)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.Wait()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-c.ended
	})
	return c
}

// beChild is the server, in its process.
func beChild() {
	if dir := os.Getenv("BIFRONS_CHILD"); dir != "" {
		os.Exit(run([]string{"-F", dir, "-E", "127.0.0.1"}, os.Stdout, os.Stderr))
	}
}

// dial connects to the server once it listens.
func (c *child) dial(t *testing.T) *client {
	t.Helper()
	ctx, cancel := inTime()
	defer cancel()
	var conn api.Conn
	waittest.Until(t, "the server listens", func() (ok bool) {
		var err error
		conn, err = api.Unix(ctx, c.path)
		return err == nil
	})
	x := newClient(t, conn, nil)
	if err := x.Create(ctx); err != nil {
		t.Fatal(err)
	}
	return x
}

// recordedCalls are calls to the EchoTest of which audio and video are recorded.
type recordedCalls struct {
	folder, format string
	peers          []*camera
}

// recordCalls makes n calls that are recorded in a format, with the codec that it has room
// for.
func recordCalls(t *testing.T, c *client, n int, format string) *recordedCalls {
	t.Helper()
	codec := "vp8"
	if format == "mp4" || format == "mkv" {
		codec = "h264"
	}
	r := &recordedCalls{folder: t.TempDir(), format: format}
	for i := range n {
		p := newCamera(t, c.attach(echoPackage), codec, webrtctest.Options{})
		p.call(message{
			"record": true, "record_format": format, "videocodec": codec, "filename": filepath.Join(r.folder, fmt.Sprint(i)),
		}, nil)
		p.awaitUp()
		p.film()
		r.peers = append(r.peers, p)
	}
	return r
}

// marks are the numbers that the server has had by now, of sound and pictures of each.
func (r *recordedCalls) marks(t *testing.T) (list [][2]uint64) {
	t.Helper()
	for _, p := range r.peers {
		p.Heard.AwaitMore(t, "audio")
		p.Seen.AwaitMore(t, "video")
		list = append(list, [2]uint64{p.Heard.Newest(), p.Seen.Newest()})
	}
	return list
}

// read reads the file or files of a call.
func (r *recordedCalls) read(t *testing.T, i int, suffix string) *filmed {
	t.Helper()
	base := filepath.Join(r.folder, fmt.Sprint(i))
	if r.format != "mjr" {
		f := readMedia(t, base+"."+r.format+suffix)
		f.check(t, base+"."+r.format, 100*time.Millisecond)
		return f
	}
	f := newFilmed()
	for _, medium := range []string{"audio", "video"} {
		f.readMJR(t, base+"-"+medium+".mjr"+suffix)
	}
	return f
}

// check reads the files, and finds what the server has had.
func (r *recordedCalls) check(t *testing.T, marks [][2]uint64, suffix string) {
	t.Helper()
	for i, want := range marks {
		f := r.read(t, i, suffix)
		for track, least := range want {
			if latest := f.newest(track); latest < least {
				t.Errorf("%s, call %d, track %d ends with %d, not with %d or later", r.format, i, track, latest, least)
			}
		}
	}
}

var recordFormats = []string{"mjr", "webm", "mkv", "mp4"}

// TestKilledRecording kills a server that records to 20 files of each format: what it had a
// second before is in them, they open, and everything in them is at its time.
func TestKilledRecording(t *testing.T) {
	beChild()
	ffprobes(t)
	for _, format := range recordFormats {
		calls := sized(3, 20)
		if format == "mjr" {
			calls = sized(3, 10) // with two files each
		}
		t.Run(format, func(t *testing.T) {
			for round := range sized(1, 20) {
				killed(t, format, calls)
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
		})
	}
}

// killed kills a server that records calls, and reads the files.
func killed(t *testing.T, format string, n int) {
	t.Helper()
	c := startChild(t)
	calls := recordCalls(t, c.dial(t), n, format)
	marks := calls.marks(t)
	time.Sleep(time.Duration(sized(4, 1)) * time.Second) // what may be lost, on a machine that is not short of time 1 s
	_ = c.Process.Kill()
	<-c.ended
	for _, p := range calls.peers {
		p.Close()
	}
	calls.check(t, marks, ".part")
}

// TestStoppedRecording ends a server that records: its files are whole and have their names.
func TestStoppedRecording(t *testing.T) {
	beChild()
	c := startChild(t)
	calls := recordCalls(t, c.dial(t), 3, "mjr")
	marks := calls.marks(t)
	_ = c.Process.Signal(syscall.SIGTERM)
	waittest.Closed(t, "the server", c.ended)
	calls.check(t, marks, "")
	if left, _ := filepath.Glob(filepath.Join(calls.folder, "*.part")); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}

// latestIn is the highest number in a recording.
func latestIn(t *testing.T, path string) uint64 {
	t.Helper()
	f := newFilmed()
	f.readMJR(t, path)
	return max(f.newest(0), f.newest(1))
}

// lines are what is logged.
type lines struct {
	mu   sync.Mutex
	list []string
}

func (l *lines) has(words string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.list {
		if strings.Contains(line, words) {
			return true
		}
	}
	return false
}

// logged starts a server whose log is looked at, with event handlers.
func logged(t *testing.T) (*server, *lines, *backend) {
	t.Helper()
	from, to := io.Pipe()
	book := new(lines)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(from); in.Scan(); {
			book.mu.Lock()
			book.list = append(book.list, in.Text())
			book.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		to.Close()
		<-read
	})
	l, err := log.New(log.Config{Stdout: to, Level: log.Info})
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{t: t}
	cfg := config.Default()
	cfg.HTTP.General.Port, cfg.WebSockets.General.Port = 0, 0
	cfg.Server.NAT.EnforceList = []string{"127.0.0.1"}
	cfg.Server.General.SessionTimeout = 0
	cfg.Server.Events.Broadcast = true
	cfg.Folder = b.folder(t)
	s, err := start(cfg, "", l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, book, b
}

// TestFullDisk fills the disk of a recording: the call goes on, the log and event handlers
// are told, and so they are when there is room again. Of the file everything can be read.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no file system can be filled: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s, book, events := logged(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	fill := filepath.Join(disk, "fill")
	if err := os.WriteFile(fill, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Video.Size = 1000
	p.call(message{"record": true, "filename": filepath.Join(disk, "call")}, nil)
	p.awaitUp()
	p.KeepPlaying(webrtctest.Pace{Packets: 4, Every: 10 * time.Millisecond})
	waittest.Until(t, "the log tells of a full disk", func() bool { return book.has("recording cannot be written") })
	events.await(64, 0, `"event":"recording-failed"`)
	p.Seen.AwaitMore(t, "video")
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "the log tells that it goes on", func() bool { return book.has("recording goes on") })
	events.await(64, 0, `"event":"recording-resumed"`)
	p.Seen.AwaitMore(t, "video")
	mark := p.Seen.Newest()
	p.h.message(message{"record": false}, nil)
	p.h.awaitData("result", "ok")
	waittest.Until(t, "the files are whole", func() bool { _, n := s.engine.RecordTotals(); return n == 0 })
	if latest := latestIn(t, filepath.Join(disk, "call-video.mjr")); latest < mark {
		t.Errorf("it ends with packet %d, not with %d or later", latest, mark)
	}
}

// frozen is a file system of its own that can stop to answer.
type frozen struct {
	t      *testing.T
	folder string
}

func freezable(t *testing.T) *frozen {
	t.Helper()
	image, f := filepath.Join(t.TempDir(), "image"), &frozen{t, t.TempDir()}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, f.folder}, {"fsfreeze", "--help"}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no file system that can be frozen: %s: %v: %s", command[0], err, out)
		}
		if command[0] == "mount" {
			t.Cleanup(func() {
				_ = exec.Command("fsfreeze", "-u", f.folder).Run()
				_ = syscall.Unmount(f.folder, syscall.MNT_DETACH)
			})
		}
	}
	return f
}

// set stops it or has it go on: "-f", "-u".
func (f *frozen) set(option string) {
	f.t.Helper()
	if out, err := exec.CommandContext(f.t.Context(), "fsfreeze", option, f.folder).CombinedOutput(); err != nil {
		f.t.Fatalf("fsfreeze: %v: %s", err, out)
	}
}

// TestFrozenDisk has a file system stop to answer while a call is recorded on it: the call
// and the API go on, the log and event handlers are told, who wants to record there too
// gets an error, and in the end nothing is missing in the files.
func TestFrozenDisk(t *testing.T) {
	ffprobes(t)
	disk := freezable(t)
	s, book, events := logged(t)
	c := dial(t, s)
	p := newCamera(t, c.attach(echoPackage), "vp8", webrtctest.Options{})
	calls := &recordedCalls{disk.folder, "webm", []*camera{p}}
	p.call(message{"record": true, "record_format": "webm", "filename": filepath.Join(disk.folder, "0")}, nil)
	p.awaitUp()
	p.film()
	p.Seen.AwaitMore(t, "video")
	disk.set("-f")
	begin := time.Now()
	waittest.Until(t, "the log tells that the disk does not answer", func() bool { return book.has("recording waits for its disk") })
	events.await(64, 0, `"event":"recording-failed"`)
	other := newCamera(t, c.attach(echoPackage), "vp8", webrtctest.Options{})
	other.call(message{"audio": true}, nil)
	other.awaitUp()
	other.film()
	other.h.message(message{"record": true, "filename": filepath.Join(disk.folder, "other")}, nil)
	if text, _ := other.h.awaitData("error_code", 413.0).data()["error"].(string); !strings.Contains(text, "does not answer") {
		t.Errorf("the client is told %q", text)
	}
	for time.Since(begin) < time.Duration(sized(3, 10))*time.Second {
		p.Seen.AwaitMore(t, "video")
		other.Heard.AwaitMore(t, "audio")
	}
	disk.set("-u")
	waittest.Until(t, "the log tells that it goes on", func() bool { return book.has("recording goes on") })
	events.await(64, 0, `"event":"recording-resumed"`)
	p.Seen.AwaitMore(t, "video")
	marks := [][2]uint64{{p.Heard.Newest(), p.Seen.Newest()}}
	p.h.message(message{"record": false}, nil)
	p.h.awaitData("result", "ok")
	waittest.Until(t, "the files are whole", func() bool { _, n := s.engine.RecordTotals(); return n == 0 })
	calls.check(t, marks, "")
	for track, list := range calls.read(t, 0, "").order {
		for i, n := range list[1:] {
			if n != list[i]+1 {
				t.Errorf("track %d: %d is followed by %d", track, list[i], n)
			}
		}
	}
}

// TestForbiddenFolder records to a folder where nobody can: that is an error, and the call
// goes on.
func TestForbiddenFolder(t *testing.T) {
	s, book, events := logged(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	p.call(message{"audio": true}, nil)
	p.awaitUp()
	p.KeepPlaying(webrtctest.Pace{Packets: 1, Every: 20 * time.Millisecond})
	p.h.message(message{"record": true, "filename": "/proc/nobody/call"}, nil)
	m := p.h.awaitData("error_code", 413.0)
	if text, _ := m.data()["error"].(string); !strings.Contains(text, "/proc/nobody") {
		t.Errorf("the client is told %v", m.data())
	}
	waittest.Until(t, "the log tells", func() bool { return book.has("not recorded") })
	events.await(64, 0, `"event":"recording-failed","file":"/proc/nobody/call-audio.mjr"`)
	p.Heard.AwaitMore(t, "audio")
}
