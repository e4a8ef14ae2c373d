package main

import (
	"bufio"
	"fmt"
	nethttp "net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// scrape reads the metrics: values by name and labels.
func scrape(t *testing.T, s *server) map[string]float64 {
	t.Helper()
	res, err := nethttp.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.port("admin_http")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != nethttp.StatusOK {
		t.Fatal(res.Status)
	}
	values := make(map[string]float64)
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			i := strings.LastIndexByte(line, ' ')
			if values[line[:i]], err = strconv.ParseFloat(line[i+1:], 64); err != nil {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
	return values
}

// TestMetrics: a call with loss shows, and its counts stay when it is over.
func TestMetrics(t *testing.T) {
	waittest.NoLeaks(t)
	defer nethttp.DefaultTransport.(*nethttp.Transport).CloseIdleConnections()
	s := testServer(t, func(c *config.Config) {
		a := &c.HTTP.Admin
		a.HTTP, a.Port, a.IP = true, 0, netip.MustParseAddr("127.0.0.1")
	})
	before := scrape(t, s)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	request := echoRequest()
	request["record"], request["filename"] = true, filepath.Join(t.TempDir(), "call")
	p.call(request, nil)
	p.awaitUp()
	for _, r := range p.PC.GetReceivers() {
		go func() { // without which pion's reports lack what round-trip times are made of
			for err := error(nil); err == nil; {
				_, _, err = r.ReadRTCP()
			}
		}()
	}
	p.Wire.Lose(0.05, 0.05, 1)
	stop := p.KeepPlaying(webrtctest.Pace{Frames: 10, Packets: 3, Every: 10 * time.Millisecond})
	var now map[string]float64
	var still []string
	defer func() {
		if t.Failed() && len(still) > 0 {
			t.Logf("no move of %q", still)
		}
	}()
	waittest.UntilEvery(t, 100*time.Millisecond, patience, "all counts move", func() bool {
		now, still = scrape(t, s), nil
		for _, name := range []string{
			"bifrons_sessions", "bifrons_handles", `bifrons_peers{state="up"}`,
			`bifrons_packets_total{direction="in"}`, `bifrons_packets_total{direction="out"}`,
			`bifrons_bytes_total{direction="in"}`, `bifrons_bytes_total{direction="out"}`,
			`bifrons_nacks_total{direction="in"}`, `bifrons_nacks_total{direction="out"}`,
			`bifrons_retransmissions_total{direction="in"}`, `bifrons_retransmissions_total{direction="out"}`,
			`bifrons_dtls_datagrams_total{direction="in"}`, `bifrons_keyframe_requests_total{direction="out"}`,
			"bifrons_recordings", "bifrons_recorded_packets_total", "bifrons_recorded_bytes_total", "bifrons_rtt_seconds_count", "bifrons_loss_ratio_count", "bifrons_loss_ratio_sum",
		} {
			if now[name] <= before[name] {
				still = append(still, name)
			}
		}
		return len(still) == 0
	})
	stop()
	p.Wire.Lose(0, 0, 1)
	p.closeAndExpect("DTLS alert")
	s.awaitEmpty(t)
	after := scrape(t, s)
	for _, name := range []string{`bifrons_packets_total{direction="in"}`, `bifrons_nacks_total{direction="out"}`} {
		if after[name] < now[name] {
			t.Errorf("%s: %v, then %v", name, now[name], after[name])
		}
	}
	if after[`bifrons_peers{state="up"}`] != 0 || len(after) != len(before) {
		t.Errorf("%v up; %d metrics, then %d", after[`bifrons_peers{state="up"}`], len(before), len(after))
	}
	// Nothing of this is for the public.
	res, err := nethttp.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", s.port("http")))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != nethttp.StatusNotFound {
		t.Errorf("on the port of the Janus API: %s", res.Status)
	}
}
