package streaming

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/rtp/waittest"
)

// TestRTSPSecrets: no password of a camera gets into the log or into what clients are
// told, whatever goes wrong.
func TestRTSPSecrets(t *testing.T) {
	c := newCam(t)
	c.user, c.password = "me", "open+sesame"
	c.start()
	host := fmt.Sprintf("127.0.0.1:%d", c.port)
	for _, fields := range []string{
		`"url":"rtsp://me:wrong+sesame@` + host + `/door"`,
		`"url":"rtsp://me:open+sesame@` + host + `/no"`,
		`"url":"rtsp://me:open+sesame@127.0.0.1:1/door"`,
		`"url":"rtsp://me:sesame@127.0.0.1:sesame/door"`,
		`"url":"rtsp://me:open/sesame@127.0.0.1/door"`,
		`"url":"rtsp://me:%zzsesame@127.0.0.1/door"`,
		`"url":"http://me:sesame@127.0.0.1/door"`,
		`"url":"rtsp://127.0.0.1:1/user=me_password=sesame"`,
		`"url":"rtsp://127.0.0.1:1/door?password=sesame"`,
		`"url":"rtsp://` + host + `/door","rtsp_user":"me","rtsp_pwd":"sesame"`,
		`"url":"rtsp://se same@` + host + `/door","rtsp_user":"me","rtsp_pwd":"sesame"`,
	} {
		for _, check := range []string{"true", "false"} {
			th := newRig(t, "")
			log := th.core
			got := th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"rtsp_failcheck":` + check + `,` + fields + `}`)
			log.AwaitLog("no RTSP session")
			th.ask(`{"request":"destroy","id":1}`)
			if strings.Contains(got, "sesame") && !strings.Contains(got, `"url"`) || strings.Contains(log.Log(), "sesame") {
				t.Errorf("%s: %s\n%s", fields, got, log.Log())
			}
		}
	}
	// Likewise while it works.
	th := newRig(t, "")
	log := th.core
	got := th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"audio":true,"rtsp_reconnect_delay":1,"url":"rtsp://me:open%2bsesame@` + host + `/door"}`)
	if !strings.Contains(got, "created") {
		t.Fatal(got)
	}
	th.hears()
	c.stop()
	log.AwaitLog("RTSP session lost")
	c.start()
	log.AwaitLog("RTSP session is back")
	if strings.Contains(log.Log(), "sesame") {
		t.Error(log.Log())
	}
}

// TestRTSPScan: what a client hears of a port that is closed, silent or speaks
// something else is the same, and the log tells more.
func TestRTSPScan(t *testing.T) {
	listen := func(serve func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var open []net.Conn
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				open = append(open, conn)
				mu.Unlock()
				serve(conn)
			}
		}()
		t.Cleanup(func() {
			l.Close()
			<-done
			for _, conn := range open {
				conn.Close()
			}
		})
		return l.Addr().String()
	}
	says := func(text string) func(net.Conn) {
		return func(conn net.Conn) { _, _ = conn.Write([]byte(text)) }
	}
	const closed = "127.0.0.1:1"
	silent := "rtsp://" + listen(func(net.Conn) {})
	logs := make(map[string]bool)
	var first string
	for _, where := range []string{
		"rtsp://" + closed,
		silent,
		"rtsp://" + listen(func(conn net.Conn) { conn.Close() }),
		"rtsp://" + listen(says("\x15\x03\x03\x00\x02\x02\x50")),
		"rtsp://" + listen(says("HTTP/1.1 400 Bad Request\r\n\r\n")),
		"rtsp://" + listen(says("SSH-2.0-x\r\n")),
		"rtsps://" + listen(says("SSH-2.0-x\r\n")),
		"rtsps://" + closed,
		"rtsp://[::1]:1",
	} {
		th := newRig(t, "")
		log := th.core
		seconds := "4" // some servers say something that is never whole
		if where == silent {
			seconds = "1"
		}
		got := th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"rtsp_timeout":` + seconds + `,"rtsp_conn_timeout":` + seconds + `,"url":"` + where + `/"}`)
		if first == "" {
			first = got
		}
		if got != first || !strings.Contains(got, `"error_code":456`) {
			t.Errorf("%s: %s\nnot %s", where, got, first)
		}
		_, detail, _ := strings.Cut(log.Log(), "error=")
		logs[detail] = true
	}
	if len(logs) < 5 {
		t.Errorf("the log tells %d things: %v", len(logs), logs)
	}
}

func TestRTSPErrors(t *testing.T) {
	th := newRig(t, "")
	c := newCam(t)
	c.user, c.password = "me", "secret"
	c.start()
	for name, tt := range map[string]struct{ fields, told string }{
		"no credentials":    {`"url":"` + c.url() + `"`, "the server answers with status 401"},
		"wrong credentials": {`"url":"` + c.url() + `","rtsp_user":"me","rtsp_pwd":"no"`, "the server answers with status 401"},
		"no such path":      {`"url":"` + c.url() + `s","rtsp_user":"me","rtsp_pwd":"secret"`, "the server answers with status 404"},
	} {
		got := th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,` + tt.fields + `}`)
		if want := `{"streaming":"event","error_code":456,"error":"Can't add 'rtsp' stream, ` + tt.told + `"}`; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	c.stop()
	c.describe = func(string) string { return "v=0\r\nm=fish\r\n" }
	c.start()
	got := th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"url":"` + c.url() + `","rtsp_user":"me","rtsp_pwd":"secret"}`)
	if !strings.Contains(got, "the server has none of the wanted streams") {
		t.Errorf("no streams: %s", got)
	}
}

// TestRTSPEndsWhileConnecting: the end of the plugin waits for no server that is
// silent, however long the client is willing to.
func TestRTSPEndsWhileConnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	th := newRig(t, "")
	got := make(chan string)
	go func() {
		got <- th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"rtsp_timeout":2000000000,"url":"rtsp://` + l.Addr().String() + `/"}`)
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has asked
		t.Fatal(err)
	}
	th.plugin.Close()
	select {
	case text := <-got:
		if !strings.Contains(text, `"error_code":456`) {
			t.Errorf("got %s", text)
		}
	case <-time.After(waittest.Patience):
		t.Fatal("it still waits")
	}
}

// TestRTSPTimeouts: no client makes the server wait for longer than a minute, or
// without a limit.
func TestRTSPTimeouts(t *testing.T) {
	th := newRig(t, "")
	for fields, want := range map[string][3]time.Duration{
		``: {10 * time.Second, 5 * time.Second, 5 * time.Second},
		`"rtsp_timeout":61,"rtsp_conn_timeout":3,"rtsp_reconnect_delay":90,`:    {time.Minute, 3 * time.Second, 90 * time.Second},
		`"rtsp_timeout":0,"rtsp_conn_timeout":0,"rtsp_reconnect_delay":0,`:      {10 * time.Second, 5 * time.Second, 0},
		`"rtsp_timeout":1,"rtsp_conn_timeout":60000,"rtsp_reconnect_delay":60,`: {time.Second, time.Minute, time.Minute},
	} {
		th.ask(`{"request":"create","type":"rtsp","id":1,"video":true,"rtsp_failcheck":false,` + fields + `"url":"rtsp://127.0.0.1:1/"}`)
		r := th.mountpoint("1").rtsp
		if got := [3]time.Duration{r.Timeout, r.ConnectTimeout, r.Reconnect}; got != want {
			t.Errorf("%s got %v", fields, got)
		}
		th.ask(`{"request":"destroy","id":1}`)
	}
}
