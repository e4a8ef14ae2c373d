package audiobridge

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/sdp"
)

// bridge is the plugin with its file.
type bridge struct {
	*plugintest.Core
	t      *testing.T
	plugin *Plugin
	folder string
}

// newBridge starts the plugin with a file, "" = none.
func newBridge(t *testing.T, file string) *bridge {
	t.Helper()
	return newBridgeIn(t, t.TempDir(), file, plugintest.Config{})
}

func newBridgeIn(t *testing.T, folder, file string, cfg plugintest.Config) *bridge {
	t.Helper()
	if file != "" {
		if err := os.WriteFile(filepath.Join(folder, Package+".jcfg"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := New(folder)
	return &bridge{plugintest.New(t, p, cfg), t, p, folder}
}

// file is what is in the plugin's file, in one line.
func (b *bridge) file() string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.folder, Package+".jcfg"))
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// client is a client.
type client struct {
	*plugintest.Client
	b *bridge
}

func (b *bridge) client() *client {
	b.t.Helper()
	return &client{b.Attach(plugintest.Options{Deaf: true}), b}
}

// join is a client that has joined a room, with more fields.
func (b *bridge) join(room, id string, more string) *client {
	b.t.Helper()
	c := b.client()
	got := c.ask(`{'request':'join','room':` + room + `,'id':` + id + more + `}`)
	if !strings.Contains(got, `'audiobridge':'joined','room':`+room+`,'id':`+id+`,`) {
		b.t.Fatalf("join: %s", got)
	}
	c.Events()
	return c
}

func quoted(text string) string { return strings.ReplaceAll(text, "'", `"`) }

// ask sends a request, and returns the answer, with ' for every ".
func (c *client) ask(text string) string {
	c.b.t.Helper()
	return strings.ReplaceAll(c.Ask(quoted(text), nil).Data, `"`, "'")
}

// offers sends a request with an offer of audio, and returns the answer.
func (c *client) offers(text string, offer *plugin.JSEP) plugintest.Event {
	c.b.t.Helper()
	return c.Ask(quoted(text), offer)
}

// hears are the events that have come, with ' for every ", a line each.
func (c *client) hears() string {
	c.b.t.Helper()
	return strings.ReplaceAll(c.Take(), `"`, "'")
}

// expect sends a request and compares the answer.
func (c *client) expect(request, want string) {
	c.b.t.Helper()
	if got := c.ask(request); got != want {
		c.b.t.Errorf("%s:\ngot  %s\nwant %s", request, got, want)
	}
}

// isTold compares what has come.
func (c *client) isTold(what string, want ...string) {
	c.b.t.Helper()
	if got, want := c.hears(), strings.Join(want, "\n"); got != want {
		c.b.t.Errorf("%s:\ngot  %s\nwant %s", what, got, want)
	}
}

func failure(code, text string) string {
	return `{'audiobridge':'event','error_code':` + code + `,'error':'` + text + `'}`
}

// audioOffer is an offer as browsers make it: audio, then video.
func audioOffer(t *testing.T, fmtp string) *plugin.JSEP {
	t.Helper()
	d := sdp.Offer(sdp.OfferOptions{Name: "-", Sections: []sdp.OfferSection{
		{Kind: sdp.Video, Direction: sdp.SendRecv, Codec: sdp.VP8},
		{Kind: sdp.Audio, Direction: sdp.SendRecv, Codec: sdp.Opus, PT: 111, Fmtp: fmtp, Extensions: []sdp.Extension{
			{ID: 1, URI: sdp.URIAudioLevel}, {ID: 4, URI: sdp.URIMID}, {ID: 5, URI: sdp.URITransportCC}}},
		{Kind: sdp.Audio, Direction: sdp.SendRecv, Codec: sdp.Opus, PT: 111},
		{Kind: sdp.Application, Direction: sdp.SendRecv},
	}})
	return &plugin.JSEP{SDP: d}
}

// number is a number as JSON has it.
func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
