package dtls

import (
	"context"
	"strings"
	"testing"
)

// refused is an alert as pion/dtls reports it.
type refused string

func (r refused) Error() string              { return string(r) }
func (r refused) IsFatalOrCloseNotify() bool { return true }

// The reasons that users meet say what to do about them.
func TestReasonsExplain(t *testing.T) {
	for _, x := range []struct {
		err  error
		kind ReasonKind
		text string
	}{
		{context.DeadlineExceeded, Timeout, "dtls_mtu"},
		{refused("Alert LevelFatal: ProtocolVersion"), PeerAlert, "DTLS 1.2"},
		{refused("Alert LevelFatal: HandshakeFailure"), PeerAlert, "HandshakeFailure"},
	} {
		if r := reasonFor(x.err); r.Kind != x.kind || !strings.Contains(r.Text, x.text) {
			t.Errorf("%v: %v", x.err, r)
		}
	}
}
