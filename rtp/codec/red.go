package codec

// REDBlock is one encoding inside a RED payload.
type REDBlock struct {
	PT      uint8
	Primary bool
	// Offset is how far the block lies before the packet's timestamp, in
	// units of the RTP clock; 0 for the primary.
	Offset uint16
	Data   []byte // borrowed from the payload
}

// RED walks through the blocks of a RED payload (RFC 2198, section 3), oldest
// first as they stand, the primary one last. It refers to the payload.
type RED struct {
	headers []byte // block headers not yet taken
	data    []byte // their data
}

// Parse checks the block headers against payload. It returns ErrShort when
// they or their data are cut.
func (d *RED) Parse(payload []byte) error {
	*d = RED{}
	at, size := 0, 0
	for {
		if at >= len(payload) {
			return ErrShort
		}
		if payload[at]&0x80 == 0 {
			break
		}
		if at+4 > len(payload) {
			return ErrShort
		}
		size += redLength(payload[at:])
		at += 4
	}
	at++
	if size > len(payload)-at {
		return ErrShort
	}
	d.headers, d.data = payload[:at], payload[at:]
	return nil
}

func redLength(h []byte) int { return int(h[2]&3)<<8 | int(h[3]) }

// Copies is how many blocks come before the primary one.
func (d *RED) Copies() int { return len(d.headers) / 4 }

// Next returns the next block; it reports false behind the primary one.
func (d *RED) Next() (b REDBlock, ok bool) {
	if len(d.headers) == 0 {
		return b, false
	}
	h := d.headers
	b.PT = h[0] & 0x7f
	if h[0]&0x80 == 0 {
		b.Primary, b.Data = true, d.data
		d.headers, d.data = nil, nil
		return b, true
	}
	n := redLength(h)
	b.Offset = uint16(h[1])<<6 | uint16(h[2])>>2
	b.Data = d.data[:n]
	d.headers, d.data = h[4:], d.data[n:]
	return b, true
}

// REDPrimary returns the primary block of a RED payload, or ErrShort.
func REDPrimary(payload []byte) (REDBlock, error) {
	var d RED
	if err := d.Parse(payload); err != nil {
		return REDBlock{}, err
	}
	for {
		if b, _ := d.Next(); b.Primary {
			return b, nil
		}
	}
}
