package whip

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, on, problems := Load(dir); on || problems != nil {
		t.Errorf("without a file: %v %v", on, problems)
	}
	if err := os.WriteFile(filepath.Join(dir, "bifrons.whip.jcfg"), []byte(`
		general: { whip_path = "/in", http = true, port = 0, token_in_url = true, requests_per_second = 5, nonsense = 1 }
		ice-google: { url = "stun:stun.example.net:19302" }
		ice-bad: { url = "http://x" }
		whip-studio: { room = 1234, feed = 7, label = "Studio", token = "t", videocodec = "h264", bitrate = 500000, ice_servers = "google" }
		whep-studio: { room = 1234, max_viewers = 5 }
		whep-both: { room = 1, mountpoint = 2 }
		whep-open: { mountpoint = 2, token = [ "a" ] }
		whep-ice: { mountpoint = 2, ice_servers = "none" }
		other: { }
	`), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, on, problems := Load(dir)
	if !on || cfg.WHIP != "/in" || !cfg.Ports.Plain.Enabled || cfg.RequestRate != 5 || !cfg.TokenInURL {
		t.Errorf("%v %+v", on, cfg)
	}
	google := []ICEServer{{URL: "stun:stun.example.net:19302"}}
	want := []Endpoint{
		{ID: "studio", Room: "1234", Feed: "7", Label: "Studio", Token: "t", VideoCodec: "h264", Bitrate: 500000, ICEServers: google},
		{ID: "studio", Kind: Watch, Room: "1234", MaxViewers: 5},
	}
	if !reflect.DeepEqual(cfg.Endpoints, want) || !reflect.DeepEqual(cfg.ICEServers, google) {
		t.Errorf("%+v %+v", cfg.Endpoints, cfg.ICEServers)
	}
	var said []string
	for _, p := range problems {
		if !p.Warning {
			t.Errorf("an error: %v", p)
		}
		said = append(said, p.Error())
	}
	all := strings.Join(said, "\n")
	for _, words := range []string{"nonsense", "ice-bad", "either room or mountpoint", "its token is not clear", "no category ice-none", "begins with none of"} {
		if !strings.Contains(all, words) {
			t.Errorf("%q is not said in\n%s", words, all)
		}
	}
}

// TestManage makes, lists and destroys endpoints by the Admin API.
func TestManage(t *testing.T) {
	l := newLab(t, Config{})
	for _, tt := range []struct{ request, want string }{
		{`{"request":"create","kind":"whip","id":"a","room":1,"token":"secret","label":"A"}`, `{"result":200}`},
		{`{"request":"create","kind":"whep","id":"a","room":"1","ice_servers":[{"url":"turn:x","username":"u","credential":"c"}]}`, `{"result":200}`},
		{`{"request":"create","kind":"whip","id":"a","room":1}`, `{"error":"there is an endpoint \"a\" for whip","error_code":400}`},
		{`{"request":"create","kind":"whip","id":"a/b","room":1}`, `cannot be the id`},
		{`{"request":"create","kind":"rtmp","id":"b","room":1}`, `kind is whip or whep`},
		{`{"request":"create","kind":"whep","id":"b","room":1,"mountpoint":1}`, `either room or mountpoint`},
		{`{"request":"create","kind":"whep","id":"b","rom":1}`, `unknown field`},
		{`{"request":"list"}`, `{"endpoints":[{"kind":"whip","id":"a","room":"1","label":"A","protected":true},` +
			`{"kind":"whep","id":"a","room":"1","ice_servers":[{"url":"turn:x","username":"u"}]}],"result":200}`},
		{`{"request":"destroy","kind":"whep","id":"a"}`, `{"result":200}`},
		{`{"request":"destroy","kind":"whep","id":"a"}`, `there is no whep endpoint`},
		{`{"request":"dance"}`, `there are create, list and destroy`},
		{`5`, `error`},
	} {
		if got := string(l.server.Query([]byte(tt.request))); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.request, got)
		}
	}
	if n := len(l.server.Endpoints()); n != 1 {
		t.Errorf("%d endpoints are left", n)
	}
}
