package signalling

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/task"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// lab is an endpoint without any protocol around it, and everybody whom it tells.
type lab struct {
	*Endpoint
	t     *testing.T
	cfg   Config
	now   time.Time
	tasks task.Tasks
	exec  *task.Serial

	ufrags []string // of ours, in order

	mu     sync.Mutex
	taken  []string // ports of the client's candidates
	events chan string
}

func newLab(t *testing.T, change func(cfg *Config)) *lab {
	return newLabWith(t, change, sfu.Config{})
}

func newLabWith(t *testing.T, change func(cfg *Config), media sfu.Config) *lab {
	log := slog.New(slog.DiscardHandler)
	media.Shards, media.Logger = 1, log
	engine, err := sfu.New(media)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, engine) })
	l := &lab{t: t, now: time.Unix(1_700_000_000, 0), events: make(chan string, 1000)}
	l.cfg = Config{Engine: engine, CandidatesTimeout: 45 * time.Second, Now: func() time.Time { return l.now }}
	if change != nil {
		change(&l.cfg)
	}
	l.exec = task.NewSerial(1000, &l.tasks, log)
	l.Endpoint = New(&l.cfg, Client{Label: "lab", Executor: l.exec, Handler: l, Observer: observer{l}})
	t.Cleanup(func() {
		l.End("over", func(*Connection) {})
		l.tasks.Wait()
	})
	return l
}

func (l *lab) Up()                                 { l.events <- "up" }
func (l *lab) Closed(_ *Connection, reason string) { l.events <- "closed: " + reason }
func (l *lab) Data(string, string, bool, []byte)   {}

func (l *lab) Event(e sfu.Event, mid, kind string) {
	if e.Kind == sfu.EventMedia {
		l.events <- "media " + mid + " " + kind
	}
}

func (l *lab) Candidate(mid string, section int, text string) {
	if text == "" {
		l.events <- "end of candidates"
		return
	}
	l.events <- fmt.Sprint("candidate for ", mid, " ", section)
}

type observer struct{ *lab }

func (observer) Created(*sfu.Peer) {}
func (observer) Described(string)  {}
func (observer) Transport() bool   { return true }

func (o observer) Taken(candidate string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken = append(o.taken, strings.Fields(candidate)[5])
}

// event waits for the next event.
func (l *lab) event() string {
	l.t.Helper()
	select {
	case e := <-l.events:
		return e
	case <-time.After(waittest.Patience):
		l.t.Fatal("no event")
		return ""
	}
}

// gist tells the sections of a description, "0:audio 1:video-"; "-" is rejected.
func gist(d *sdp.Description) string {
	var list []string
	for i := range d.Sections {
		s := d.Sections[i].MID + ":" + d.Sections[i].Kind.String()
		if d.Sections[i].Rejected() {
			s += "-"
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

const (
	pwd    = "0123456789012345678901"
	sha256 = "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB"
)

// text is a client's description with the sections of a gist, which may lack mids;
// without ufrag it has no credentials.
func text(ufrag string, sections ...string) string {
	s := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	for _, section := range sections {
		mid, kind, _ := strings.Cut(section, ":")
		kind, rejected := strings.CutSuffix(kind, "-")
		if rejected {
			s += "m=" + kind + " 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\na=inactive\r\n"
			continue
		}
		s += "m=" + kind + " 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"
		if mid != "" {
			s += "a=mid:" + mid + "\r\n"
		}
		if ufrag != "" {
			s += "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + pwd + "\r\n"
		}
		s += "a=fingerprint:sha-256 " + sha256 + "\r\na=setup:actpass\r\na=sendrecv\r\na=rtcp-mux\r\n" +
			"a=rtpmap:96 " + map[string]string{"audio": "opus/48000/2", "video": "VP8/90000"}[kind] + "\r\n"
	}
	return s
}

// hear takes in a client's description; it is told what the application sees.
func (l *lab) hear(typ sdp.Type, ufrag string, sections ...string) (string, error) {
	if err := l.Expect(typ); err != nil {
		return "", err
	}
	d, err := sdp.Parse(text(ufrag, sections...))
	if err != nil {
		l.t.Fatal(err)
	}
	d.Type = typ
	r, err := l.SetRemote(d, Options{Trickle: true})
	if err != nil {
		return "", err
	}
	if r.SDP.Type != typ || strings.Contains(r.SDP.String(), "ice-ufrag") {
		l.t.Errorf("the application sees %s", r.SDP)
	}
	if r.Update {
		return "update", nil
	}
	return "new", nil
}

// say sends a description of ours; it returns its gist, and which credentials of ours
// it has.
func (l *lab) say(d *sdp.Description, o LocalOptions) (string, error) {
	sent := ""
	if err := l.SetLocal(d, o, func(text string) { sent = text }); err != nil {
		if sent != "" {
			l.t.Errorf("sent in spite of %v:\n%s", err, sent)
		}
		return "", err
	}
	p, err := sdp.Parse(sent)
	if err != nil {
		l.t.Fatalf("%v in\n%s", err, sent)
	}
	t := p.PeerTransport(nil)
	if t.Ufrag == "" {
		return gist(p), nil
	}
	n := slices.Index(l.ufrags, t.Ufrag)
	if n < 0 {
		n = len(l.ufrags)
		l.ufrags = append(l.ufrags, t.Ufrag)
	}
	return fmt.Sprint(gist(p), " ice", n), nil
}

// ourOffer has sections of these kinds that we send in.
func ourOffer(kinds ...string) *sdp.Description {
	var list []sdp.OfferSection
	for _, kind := range kinds {
		s := sdp.OfferSection{Kind: sdp.Audio, Direction: sdp.SendOnly, Codec: "opus"}
		if kind == "video" {
			s.Kind, s.Codec = sdp.Video, "vp8"
		}
		list = append(list, s)
	}
	return sdp.Offer(sdp.OfferOptions{Name: "lab", Sections: list})
}

// ourAnswer is one to the client's last offer, or to nothing.
func (l *lab) ourAnswer(reject bool) *sdp.Description {
	l.Endpoint.mu.Lock()
	defer l.Endpoint.mu.Unlock()
	c := l.Endpoint.conn
	if c == nil || c.offer == nil {
		return &sdp.Description{Type: sdp.TypeAnswer}
	}
	return sdp.Answer(c.offer.sdp.Anonymise(), sdp.AnswerOptions{Choose: func(int, *sdp.Section) sdp.SectionChoice {
		return sdp.SectionChoice{Reject: reject}
	}})
}

// trickle adds a candidate of the client: a port, or "end", its mid, and its generation.
func (l *lab) trickle(port, mid, ufrag string) (string, error) {
	c := Candidate{MID: mid, HasMID: true, Ufrag: ufrag, End: port == "end"}
	if !c.End {
		c.Text = "candidate:1 1 udp 2122260223 192.0.2.1 " + port + " typ host"
	}
	early, err := l.AddCandidates([]Candidate{c})
	if early {
		return "early", err
	}
	return "", err
}

// do runs one step of a script and tells its outcome.
func (l *lab) do(words string) string {
	l.t.Helper()
	w := append(strings.Fields(words), "", "", "")
	rest := strings.Fields(words)[min(2, len(strings.Fields(words))):]
	var outcome string
	var err error
	switch w[0] + " " + w[1] {
	case "hear offer":
		outcome, err = l.hear(sdp.TypeOffer, strings.Trim(w[2], "-"), rest[1:]...)
	case "hear answer":
		outcome, err = l.hear(sdp.TypeAnswer, strings.Trim(w[2], "-"), rest[1:]...)
	case "say answer":
		outcome, err = l.say(l.ourAnswer(w[2] == "no"), LocalOptions{})
	case "say offer":
		outcome, err = l.say(ourOffer(rest...), LocalOptions{})
	case "say restart":
		outcome, err = l.say(ourOffer(rest...), LocalOptions{Restart: true})
	default:
		switch w[0] {
		case "trickle":
			outcome, err = l.trickle(w[1], w[2], w[3])
		case "wait":
			l.now = l.now.Add(46 * time.Second)
		case "close":
			l.Close("the test")
		case "settle":
			l.CloseUnused()
		case "event":
			outcome = l.event()
		case "taken":
			l.mu.Lock()
			outcome = strings.Join(l.taken, " ")
			l.mu.Unlock()
		default:
			l.t.Fatalf("no such step: %s", words)
		}
	}
	var unusable *UnusableError
	switch {
	case errors.As(err, &unusable) && unusable.Later:
		return "unusable update"
	case errors.As(err, &unusable):
		return "unusable"
	case err != nil:
		return strings.TrimPrefix(err.Error(), "signalling: ")
	}
	return outcome
}
