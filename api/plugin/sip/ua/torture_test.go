package ua

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tortured is what an endpoint with the account "user" makes of the messages of RFC 4475: the code of its response, ""
// = silence, and what the account hears. Where the RFC leaves it open whether something is refused, we are lenient:
// spaces in a URI's brackets (badaspec), a date without a meaning (baddate), semicolons without parameters (badinv01),
// header fields in a Request-URI, which are ignored (escruri), a display name without quotes (baddn). What begins no
// message at all is not answered.
var tortured = map[string]string{
	"badaspec": "200", "badbranch": "200", "baddate": "100 incoming", "baddn": "404", "badinv01": "100 incoming",
	"badvers": "", "bcast": "", "bext01": "420", "bigcode": "", "clerr": "400", "cparam01": "404", "cparam02": "404", "dblreq": "404", "esc01": "404", "esc02": "404", "escnull": "404", "escruri": "100 incoming", "insuf": "", "intmeth": "404", "inv2543": "404", "invut": "415", "longreq": "100 incoming", "ltgtruri": "", "lwsdisp": "200", "lwsruri": "", "lwsstart": "", "mcl01": "400", "mismatch01": "400", "mismatch02": "400", "mpart01": "404", "multi01": "400", "ncl": "", "noreason": "", "novelsc": "", "quotbal": "400", "regaut01": "404",
	"regbadct": "404", "regescrt": "404", "scalar02": "400", "scalarlg": "", "sdp01": "100 incoming", "semiuri": "404", "transports": "200", "trws": "", "unkscm": "416", "unksm2": "404", "unreason": "", "wsinv": "481",
	"zeromf": "200",
}

func TestTorture(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) < 49 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inBubble(t, Config{}, func(b *bench) {
				_, user := b.account(b.e, "user")
				var got []string
				b.w.lose(func(from, _ netip.AddrPort, p []byte) bool {
					if from.Addr().String() == ours {
						_, rest, _ := strings.Cut(string(p), " ")
						code, _, _ := strings.Cut(rest, " ")
						got = append(got, code)
					}
					return false
				})
				b.phone.send(netip.MustParseAddrPort(ours+":5060"), string(data))
				b.pass(0)
				b.w.lose(nil)
				got = append(got, user.kinds()...)
				want, known := tortured[name]
				if s := strings.Join(got, " "); s != want || !known {
					t.Errorf("%q, want %q", s, want)
				}
				b.pass(time.Minute)
				for len(b.phone.got) > 0 {
					<-b.phone.got
				}
			})
		})
	}
}
