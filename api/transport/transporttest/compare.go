package transporttest

import (
	"reflect"

	"bifrons/api/client"
	"bifrons/api/plugin/echotest"
)

// scenario are requests to an echo test, good and bad.
var scenario = []client.Object{
	{"janus": "message", "body": client.Object{"audio": true, "video": false}},
	{"janus": "message", "body": client.Object{"audio": "yes"}},
	{"janus": "message", "body": client.Object{"bitrate": 128000}},
	{"janus": "message", "body": client.Object{"bitrate": -1}},
	{"janus": "message", "body": client.Object{"record": true, "filename": "/etc/x"}},
	{"janus": "message", "body": client.Object{"substream": 1, "temporal": 2}},
	{"janus": "message", "body": client.Object{}},
	{"janus": "message", "body": "none"},
	{"janus": "message"},
	{"janus": "message", "body": client.Object{"audio": true}, "jsep": client.Object{"type": "offer"}},
	{"janus": "message", "body": client.Object{"audio": true}, "jsep": client.Object{"type": "answer", "sdp": "v=0\r\n"}},
	{"janus": "message", "body": client.Object{"audio": true}, "jsep": client.Object{"type": "offer", "sdp": "nonsense"}},
	{"janus": "trickle"},
	{"janus": "trickle", "candidate": client.Object{"completed": true}},
	{"janus": "hangup"},
	{"janus": "keepalive"},
	{"janus": "no such verb"},
	{"janus": "message", "body": client.Object{"text": "\u00e4\U0001F600\\\"\n"}},
	{"janus": "detach"},
}

// Compare plays a scenario of the EchoTest by a transport and without one: the replies are
// the same.
func (l *Lab) Compare(c *client.Client) {
	l.T.Helper()
	got, want := l.play(c), l.play(l.Direct())
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			l.T.Errorf("%v\n%v, want\n%v", scenario[i], got[i], want[i])
		}
	}
}

// play returns the replies of a scenario, without the values that differ each time.
func (l *Lab) play(c *client.Client) (replies []client.Object) {
	l.T.Helper()
	ctx, cancel := InTime()
	defer cancel()
	must(l.T, c.Create(ctx))
	h, err := c.Attach(ctx, echotest.Package)
	must(l.T, err)
	for _, request := range scenario {
		m, err := h.Request(ctx, request)
		must(l.T, err)
		o := m.Object()
		for _, name := range []string{"session_id", "sender", "transaction"} {
			delete(o, name)
		}
		replies = append(replies, o)
	}
	must(l.T, c.Destroy(ctx))
	return replies
}
