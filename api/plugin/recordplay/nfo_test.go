package recordplay

import (
	"strings"
	"testing"
)

// The sample that Janus ships, from before there were private recordings.
const sampleNFO = "[1234]\nname = Lorenzo says hello!\ndate = 2014-10-22 14:44:36\naudio = rec-sample-audio.mjr\nvideo = rec-sample-video.mjr\n"

func TestParseNFO(t *testing.T) {
	for text, want := range map[string]info{
		sampleNFO: {1234, "Lorenzo says hello!", true, "2014-10-22 14:44:36", [numMedia]string{"rec-sample-audio", "rec-sample-video", ""}},
		"\ufeff[7]\r\nNAME => a \\; b ; comment\r\nPrivate=no\r\ndate=some day\r\naudio=x\r\ndata=y.mjr\r\n[8]\r\nname=z\r\n": {
			7, "a ; b", false, "some day", [numMedia]string{"x", "", "y"}},
		"[ 9 ]\nname = n\ndate = d\nvideo = v.mjr.mjr\nprivate = TRUE\nprivate =\n": {9, "n", true, "d", [numMedia]string{"", "v.mjr", ""}},
	} {
		if n, err := parseNFO([]byte(text)); err != nil || n != want {
			t.Errorf("%q is %+v, %v", text, n, err)
		}
	}
	for _, text := range []string{
		"", "[x]\nname=n\ndate=d\naudio=a\n", "[0]\nname=n\ndate=d\naudio=a\n", "[-5]\nname=n\ndate=d\naudio=a\n",
		"[9223372036854775808]\nname=n\ndate=d\naudio=a\n", "[1]\ndate=d\naudio=a\n", "[1]\nname=n\naudio=a\n", "[1]\nname=n\ndate=d\ndata=x\n",
		"[1]\nname=n\ndate=d\naudio=a\nnonsense\n", "name=n\ndate=d\naudio=a\n", sampleNFO + strings.Repeat("; comment\n", maxNFO/10),
	} {
		if n, err := parseNFO([]byte(text)); err == nil {
			t.Errorf("%.60q is %+v", text, n)
		}
	}
}

func TestAppendNFO(t *testing.T) {
	n := info{5, "Tom; or: [Jerry] = x", false, "2024-05-01 10:20:30", [numMedia]string{"rec-5-audio", "", "rec-5-data"}}
	const want = "[5]\r\nname = Tom\\; or: [Jerry] = x\r\nprivate = false\r\ndate = 2024-05-01 10:20:30\r\naudio = rec-5-audio.mjr\r\ndata = rec-5-data.mjr\r\n"
	if got := string(appendNFO(nil, &n)); got != want {
		t.Errorf("got %q", got)
	}
}

// FuzzNFO: what is read can be written, and read again.
func FuzzNFO(f *testing.F) {
	f.Add([]byte(sampleNFO), "a name")
	f.Add([]byte("[1]\nname = >x\\\\;\ndate = ;\nprivate = 1\nvideo = ../../etc/passwd\n"), "\\;\r\n[2]\r\nname = x")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		n, err := parseNFO(b)
		if err != nil {
			n = info{id: 1, name: "x", date: "y", files: [numMedia]string{"a"}}
		}
		for range 2 {
			again, err := parseNFO(appendNFO(nil, &n))
			if err != nil || again != n {
				t.Fatalf("%+v has become %+v, %v", n, again, err)
			}
			if name = oneLine(name); name == "" || len(name) > maxName {
				return
			}
			n.name = name // of a request
		}
	})
}
