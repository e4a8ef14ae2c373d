package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/mochi-mqtt/server/v2/packets"

	"bifrons/api/broker"
)

// maxPacket is the size in bytes of the largest packet that is read whole: a message with
// its topic and properties.
const maxPacket = broker.MaxBody + 128<<10

var errMalformed = errors.New("the broker sends something that is not MQTT")

// read reads a packet. Of a message that is too large no more than its quality of service
// and identifier are read, and tooLarge is set.
func read(r *bufio.Reader, version byte) (p packets.Packet, tooLarge bool, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return p, false, err
	}
	p.ProtocolVersion = version
	if err := p.FixedHeader.Decode(first); err != nil {
		return p, false, errors.Join(errMalformed, err)
	}
	n, err := length(r)
	if err != nil {
		return p, false, err
	}
	p.FixedHeader.Remaining = n
	if n > maxPacket {
		if p.FixedHeader.Type != packets.Publish {
			return p, false, errMalformed
		}
		return p, true, skip(r, &p)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return p, false, err
	}
	return p, false, decode(&p, body)
}

// length reads the remaining length (2.2.3).
func length(r io.ByteReader) (n int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, errMalformed
}

// skip reads past a message.
func skip(r *bufio.Reader, p *packets.Packet) error {
	var b [2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	topic, rest := int64(binary.BigEndian.Uint16(b[:])), int64(p.FixedHeader.Remaining)-2
	if _, err := io.CopyN(io.Discard, r, topic); err != nil {
		return err
	}
	rest -= topic
	if p.FixedHeader.Qos > 0 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return err
		}
		p.PacketID = binary.BigEndian.Uint16(b[:])
		rest -= 2
	}
	_, err := io.CopyN(io.Discard, r, rest)
	return err
}

func decode(p *packets.Packet, body []byte) (err error) {
	switch p.FixedHeader.Type {
	case packets.Connack:
		err = p.ConnackDecode(body)
	case packets.Publish:
		if err = p.PublishDecode(body); err == nil && p.FixedHeader.Qos > 0 && p.PacketID == 0 {
			err = errors.New("a message without an identifier")
		}
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		err = p.PubackDecode(body) // all have the same form
	case packets.Suback:
		err = p.SubackDecode(body)
	case packets.Pingresp:
	case packets.Disconnect:
		if p.ProtocolVersion < 5 {
			return errMalformed
		}
		err = p.DisconnectDecode(body)
	default:
		return fmt.Errorf("%w: a packet of type %d", errMalformed, p.FixedHeader.Type)
	}
	if err != nil {
		return errors.Join(errMalformed, err)
	}
	return nil
}
