package mqtt

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"bifrons/api/broker"
)

// encoded is a message as a broker sends it.
func encoded(t testing.TB, version, qos byte, m *broker.Message) []byte {
	t.Helper()
	p := publish(version, m, qos)
	if qos > 0 {
		p.PacketID = 7
	}
	var b bytes.Buffer
	if err := p.PublishEncode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestMessage: a message comes back as it was sent.
func TestMessage(t *testing.T) {
	m := &broker.Message{Topic: "a/b", Body: []byte("{}"), Correlation: []byte{0, 1}, ReplyTo: "c",
		Properties: []broker.Property{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}}
	p, large, err := read(bufio.NewReader(bytes.NewReader(encoded(t, 5, 1, m))), 5)
	if err != nil || large || p.PacketID != 7 {
		t.Fatalf("%+v %v", p, err)
	}
	got := received(&p)
	if got.Topic != m.Topic || string(got.Body) != "{}" || !bytes.Equal(got.Correlation, m.Correlation) || got.ReplyTo != "c" ||
		!slices.Equal(got.Properties, m.Properties) || got.QoS != 1 || got.Again {
		t.Errorf("%+v", got)
	}
}

// TestLarge: of a message that is too large enough is read to acknowledge it, and what
// follows is in order.
func TestLarge(t *testing.T) {
	for qos := range byte(3) {
		text := encoded(t, 4, qos, &broker.Message{Topic: "topic", Body: make([]byte, maxPacket+1)})
		text = append(text, encoded(t, 4, 0, &broker.Message{Topic: "next", Body: []byte("x")})...)
		r := bufio.NewReader(bytes.NewReader(text))
		p, large, err := read(r, 4)
		if err != nil || !large || p.FixedHeader.Qos != qos || (p.PacketID == 7) != (qos > 0) || p.Payload != nil {
			t.Fatalf("quality %d: %v %v %d", qos, large, err, p.PacketID)
		}
		if p, _, err := read(r, 4); err != nil || p.TopicName != "next" {
			t.Errorf("%v %+v", err, p)
		}
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://localhost:1883": "localhost:1883", "localhost": "localhost:1883", "mqtt://a": "a:1883", "ssl://a": "a:8883 secure",
		"mqtts://[::1]:1": "[::1]:1 secure", "tcp://": "", "http://a": "", "tcp://u:p@a": "", "": "", "tcp://a:b": "",
	} {
		address, secure, err := ParseURL(text)
		if secure {
			address += " secure"
		}
		if address != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %s %v", text, address, err)
		}
	}
}

// FuzzRead: whatever a broker sends, it is a packet or an error, and takes no more memory
// than it may.
func FuzzRead(f *testing.F) {
	for _, version := range []byte{3, 4, 5} {
		f.Add(version, encoded(f, version, 1, &broker.Message{Topic: "t", Body: []byte("{}"), ReplyTo: "r"}))
		f.Add(version, []byte{packets.Connack << 4, 3, 0, 0, 0})
		f.Add(version, []byte{packets.Suback << 4, 4, 0, 1, 0, 1})
		f.Add(version, []byte{packets.Disconnect << 4, 1, 0x8e})
		f.Add(version, []byte{packets.Pubrel<<4 | 2, 2, 0, 1})
		f.Add(version, []byte{packets.Publish<<4 | 2, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'x', 0, 1})
	}
	f.Fuzz(func(t *testing.T, version byte, text []byte) {
		r := bufio.NewReader(bytes.NewReader(text))
		for range 100 {
			p, large, err := read(r, version)
			if err != nil {
				return
			}
			if len(p.Payload) > maxPacket || large && p.Payload != nil {
				t.Fatalf("a message of %d bytes", len(p.Payload))
			}
			if p.FixedHeader.Type == packets.Publish {
				_ = received(&p)
			}
		}
	})
}

// TestCutShort: a packet that ends too early is an error.
func TestCutShort(t *testing.T) {
	whole := encoded(t, 5, 1, &broker.Message{Topic: "t", Body: []byte("body"), ReplyTo: "r", Correlation: []byte("c")})
	for n := range len(whole) {
		_, _, err := read(bufio.NewReader(bytes.NewReader(whole[:n])), 5)
		if err == nil || n == 0 && err != io.EOF {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
}
