package videoroom

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

// signer is a Gateway with signed tokens: "signed:" and a descriptor.
type signer struct {
	fakeGateway
	signed bool
}

func (s signer) SignedTokens() bool { return s.signed }
func (s signer) SignedFor(token, realm, descriptor string) bool {
	return realm == Package && token == "signed:"+descriptor
}

// engined is a Gateway with an engine.
type engined struct {
	plugin.Gateway
	engine *sfu.Engine
}

func (e engined) Engine() *sfu.Engine { return e.engine }

// service is a plugin with rooms from a file.
type service struct {
	t      testing.TB
	plugin *Plugin
	file   string
}

func newService(t testing.TB, file string) *service { return newServiceWith(t, file, signer{}) }

func newServiceWith(t testing.TB, file string, gw plugin.Gateway) *service {
	t.Helper()
	return newServiceOn(t, file, gw, sfu.Config{Shards: 1})
}

func newServiceOn(t testing.TB, file string, gw plugin.Gateway, cfg sfu.Config) *service {
	t.Helper()
	dir := t.TempDir()
	hs := &service{t: t, plugin: New(dir), file: filepath.Join(dir, Package+".jcfg")}
	if err := os.WriteFile(hs.file, []byte(file), 0o640); err != nil {
		t.Fatal(err)
	}
	engine, err := sfu.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, engine) })
	if err := hs.plugin.Start(engined{gw, engine}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hs.plugin.Close)
	return hs
}

// participant is a handle that publishes.
type participant struct {
	*fakeHost
	h    *handle
	last *plugin.JSEP // pushed last
}

func (g *participant) Push(tx string, data []byte, j *plugin.JSEP) error {
	if j != nil {
		g.last = j
	}
	return g.fakeHost.Push(tx, data, nil)
}

func (hs *service) attach() *participant {
	g := &participant{fakeHost: &fakeHost{t: hs.t}}
	h, err := hs.plugin.Attach(g)
	if err != nil {
		hs.t.Fatal(err)
	}
	g.h = h.(*handle)
	return g
}

// do runs a request and returns its answer, and what else was pushed to the
// handle. The description is given by the name of an offer, "" = none.
func (g *participant) do(body, offer string) string {
	g.t.Helper()
	return g.send(body, loadOffer(g.t, offer))
}

func (g *participant) send(body string, j *plugin.JSEP) string {
	g.t.Helper()
	res := g.h.Message(&plugin.Request{Body: plugintest.Parse(g.t, body), JSEP: j})
	if res.Run == nil {
		return string(res.Data)
	}
	res.Run()
	g.settle()
	return g.take()
}

// must is do for what has to work; the answer starts with want.
func (g *participant) must(body, offer, want string) {
	g.t.Helper()
	if got := g.do(body, offer); !strings.Contains(got, want) {
		g.t.Fatalf("%s\n got %s\nwant %s", body, got, want)
	}
}

// join makes a participant of room 1 with an id.
func (hs *service) join(fields string) *participant {
	hs.t.Helper()
	g := hs.attach()
	g.must(`{"request":"join","ptype":"publisher","room":1,`+fields+`}`, "", `"videoroom":"joined"`)
	return g
}

// publish makes a participant of room 1 who publishes.
func (hs *service) publish(fields, offer string) *participant {
	hs.t.Helper()
	g := hs.join(fields)
	g.must(`{"request":"publish"}`, offer, `"configured":"ok"`)
	g.h.Up()
	return g
}

func loadOffer(t testing.TB, name string) *plugin.JSEP {
	t.Helper()
	if name == "" {
		return nil
	}
	text, err := os.ReadFile("../../janus/testdata/offers/" + name + ".sdp")
	if err != nil {
		t.Fatal(err)
	}
	return parseOffer(t, string(text))
}

func parseOffer(t testing.TB, text string) *plugin.JSEP {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &plugin.JSEP{SDP: d.Anonymise()}
}

func audio(mid, codec string) sdp.OfferSection {
	return sdp.OfferSection{Kind: sdp.Audio, MID: mid, Direction: sdp.SendOnly, Codec: codec}
}

func video(mid, codec string) sdp.OfferSection {
	return sdp.OfferSection{Kind: sdp.Video, MID: mid, Direction: sdp.SendOnly, Codec: codec}
}

// room finds a room, nil if there is none.
func (p *Plugin) room(name id) *room {
	r, _ := p.rooms.Get(name)
	return r
}
