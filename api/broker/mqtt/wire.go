package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"bifrons/api/broker"
)

const (
	writeTimeout   = 30 * time.Second
	sessionExpiry  = 3600     // seconds that a broker keeps a session of MQTT 5 without a connection
	receiveMaximum = 512      // messages that a broker of MQTT 5 may have on their way here
	inboxBytes     = 32 << 20 // of messages that wait to be taken
	perMessage     = 256      // bytes that one takes besides its body
)

// wire is a connection.
type wire struct {
	*Session
	conn     net.Conn
	reader   *bufio.Reader
	interval time.Duration // of keep-alive, 0 = none

	maxQoS  byte
	maxSize int           // of a packet that the broker takes, 0 = any
	quota   chan struct{} // holds one for each message under way (4.9 of MQTT 5)

	ctx    context.Context // ends with it
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	subscribed chan packets.Packet
	settled    chan struct{} // capacity 1: a message that nobody waits for was acknowledged

	writing sync.Mutex
	buffer  bytes.Buffer

	mu     sync.Mutex
	inbox  []arrival     // messages that wait to be taken
	filled chan struct{} // capacity 1: there are some
	queued int           // their bytes
	wrote  time.Time     // when something was sent last
}

var _ broker.Wire = (*wire)(nil)

// Dial connects, and subscribes.
func (s *Session) Dial(ctx context.Context) (broker.Wire, error) {
	conn, err := broker.Connect(ctx, s.cfg.Address, s.cfg.TLS)
	if err != nil {
		return nil, err
	}
	w := &wire{
		Session: s, conn: conn, reader: bufio.NewReader(conn), interval: s.cfg.KeepAlive, maxQoS: 2,
		subscribed: make(chan packets.Packet, 1), settled: make(chan struct{}, 1), filled: make(chan struct{}, 1),
	}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	late := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = w.open(ctx)
	if !late() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		w.Close(false)
		return nil, err
	}
	return w, nil
}

func (w *wire) open(ctx context.Context) error {
	if err := w.connect(); err != nil {
		return err
	}
	w.tasks.Go(w.read)
	w.tasks.Go(w.deliver)
	if w.interval > 0 {
		w.tasks.Go(w.ping)
	}
	if err := w.subscribe(ctx); err != nil {
		return err
	}
	if m := w.cfg.Online; m != nil {
		return w.Send(m, 0, false)
	}
	return nil
}

// connect exchanges CONNECT and CONNACK.
func (w *wire) connect() error {
	c := &w.cfg
	p := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: c.Version,
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: c.ClientID, Clean: c.Clean,
			Keepalive:    uint16(min(c.KeepAlive/time.Second, 1<<16-1)),
			UsernameFlag: c.User != "", Username: []byte(c.User),
			PasswordFlag: c.User != "" && c.Password != "", Password: []byte(c.Password),
		},
	}
	if c.Version == 3 {
		p.Connect.ProtocolName = []byte("MQIsdp")
	}
	if c.Version == 5 {
		p.Properties = packets.Properties{ReceiveMaximum: receiveMaximum, MaximumPacketSize: maxPacket}
		if !c.Clean {
			p.Properties.SessionExpiryInterval, p.Properties.SessionExpiryIntervalFlag = sessionExpiry, true
		}
	}
	if m := c.Will; m != nil {
		p.Connect.WillFlag, p.Connect.WillTopic, p.Connect.WillPayload = true, m.Topic, m.Body
		p.Connect.WillQos, p.Connect.WillRetain = m.QoS, m.Retain
	}
	if err := w.send(&p, (*packets.Packet).ConnectEncode); err != nil {
		return err
	}
	ack, _, err := read(w.reader, c.Version)
	switch {
	case err != nil:
		return err
	case ack.FixedHeader.Type != packets.Connack:
		return errMalformed
	case ack.ReasonCode != 0:
		return Refused{ack.ReasonCode}
	}
	limits := &ack.Properties
	if limits.MaximumQosFlag {
		w.maxQoS = limits.MaximumQos
	}
	if limits.ServerKeepAliveFlag {
		w.interval = time.Duration(limits.ServerKeepAlive) * time.Second
	}
	w.maxSize = int(limits.MaximumPacketSize)
	most := int(limits.ReceiveMaximum)
	if most == 0 {
		most = 1<<16 - 1
	}
	w.quota = make(chan struct{}, most)
	w.begin(ack.SessionPresent)
	return nil
}

func (w *wire) subscribe(ctx context.Context) error {
	if len(w.cfg.Subscribe) == 0 {
		return nil
	}
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: w.cfg.Version}
	for _, s := range w.cfg.Subscribe {
		p.Filters = append(p.Filters, packets.Subscription{Filter: s.Filter, Qos: s.QoS, RetainHandling: 1})
	}
	f := w.flight(0)
	defer w.landed(f.id)
	p.PacketID = f.id
	if err := w.send(&p, (*packets.Packet).SubscribeEncode); err != nil {
		return err
	}
	select {
	case ack := <-w.subscribed:
		for i, code := range ack.ReasonCodes {
			if code > 2 && i < len(w.cfg.Subscribe) {
				return fmt.Errorf("the broker refuses the subscription to %s, code %d", w.cfg.Subscribe[i].Filter, code)
			}
		}
		return nil
	case <-w.ctx.Done():
		return w.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Send publishes a message.
func (w *wire) Send(m *broker.Message, n uint64, _ bool) error {
	qos := min(m.QoS, w.maxQoS)
	p := publish(w.cfg.Version, m, qos)
	if w.maxSize > 0 && len(m.Body)+len(m.Topic)+len(m.ReplyTo)+len(m.Correlation)+64 > w.maxSize {
		w.confirmed(n) // the broker would end the connection (3.2.2.3.6 of MQTT 5)
		return nil
	}
	if qos == 0 {
		if err := w.send(&p, (*packets.Packet).PublishEncode); err != nil {
			return err
		}
		w.confirmed(n)
		return nil
	}
	select {
	case w.quota <- struct{}{}:
	case <-w.ctx.Done():
		return w.Err()
	}
	f := w.flight(n)
	if f.released {
		return w.reply(packets.Pubrel, f.id)
	}
	p.PacketID, p.FixedHeader.Dup = f.id, f.known
	return w.send(&p, (*packets.Packet).PublishEncode)
}

// reply sends one of the packets that are no more than an identifier.
func (w *wire) reply(typ byte, id uint16) error {
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: typ}, ProtocolVersion: w.cfg.Version, PacketID: id}
	if typ == packets.Pubrel {
		p.FixedHeader.Qos = 1 // the reserved flags (3.6.1)
	}
	return w.send(&p, (*packets.Packet).PubackEncode)
}

func (w *wire) send(p *packets.Packet, encode func(*packets.Packet, *bytes.Buffer) error) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.buffer.Reset()
	if err := encode(p, &w.buffer); err != nil {
		return err
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(w.buffer.Bytes())
	if w.buffer.Cap() > 64<<10 {
		w.buffer = bytes.Buffer{}
	}
	if err != nil {
		w.cancel(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrote = time.Now()
	return err
}

// ping keeps the connection in use (3.1.2.10).
func (w *wire) ping() {
	t := time.NewTicker(max(w.interval/4, 100*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-w.ctx.Done():
			return
		}
		w.mu.Lock()
		silent := time.Since(w.wrote)
		w.mu.Unlock()
		if silent < w.interval/2 {
			continue
		}
		p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}, ProtocolVersion: w.cfg.Version}
		if w.send(&p, (*packets.Packet).PingreqEncode) != nil {
			return
		}
	}
}

func (w *wire) read() {
	for {
		late := time.Time{}
		if w.interval > 0 {
			late = time.Now().Add(w.interval * 3 / 2)
		}
		err := w.conn.SetReadDeadline(late)
		if err == nil {
			err = w.next()
		}
		if err != nil {
			w.cancel(err)
			return
		}
	}
}

// next handles a packet.
func (w *wire) next() error {
	p, tooLarge, err := read(w.reader, w.cfg.Version)
	if err != nil {
		return err
	}
	switch p.FixedHeader.Type {
	case packets.Publish:
		return w.incoming(p, tooLarge)
	case packets.Pubrec:
		if p.ReasonCode < 0x80 {
			w.release(p.PacketID) // known or not, the broker waits for an end
			return w.reply(packets.Pubrel, p.PacketID)
		}
		w.acknowledged(p.PacketID)
	case packets.Puback, packets.Pubcomp:
		w.acknowledged(p.PacketID)
	case packets.Pubrel:
		w.untake(p.PacketID)
		return w.reply(packets.Pubcomp, p.PacketID)
	case packets.Suback:
		select {
		case w.subscribed <- p:
		default:
		}
	case packets.Disconnect:
		return Ended{p.ReasonCode}
	}
	return nil
}

func (w *wire) acknowledged(id uint16) {
	if !w.landed(id) {
		return
	}
	select {
	case <-w.quota:
	default:
	}
	select {
	case w.settled <- struct{}{}:
	default:
	}
}

var errFlood = errors.New("the broker sends more than can wait here")

// arrival is a message that has come and is not acknowledged.
type arrival struct {
	m  *broker.Message
	id uint16
}

func (a *arrival) size() int { return len(a.m.Body) + perMessage }

// incoming has a message taken. A message that is too large, or one too many without a promise (QoS 0),
// is lost. A broker may have as many on their way here as there are identifiers: nothing
// else can be read before them.
func (w *wire) incoming(p packets.Packet, tooLarge bool) error {
	qos := p.FixedHeader.Qos
	if tooLarge || len(p.Payload) > broker.MaxBody || qos == 2 && w.wasTaken(p.PacketID) {
		return w.acknowledge(qos, p.PacketID)
	}
	a := arrival{received(&p), p.PacketID}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queued+a.size() > inboxBytes {
		if qos == 0 {
			return nil
		}
		return errFlood
	}
	w.inbox = append(w.inbox, a)
	w.queued += a.size()
	select {
	case w.filled <- struct{}{}:
	default:
	}
	return nil
}

// arrived waits for a message to take; false if the connection is over.
func (w *wire) arrived() (a arrival, ok bool) {
	for {
		w.mu.Lock()
		if len(w.inbox) > 0 {
			defer w.mu.Unlock()
			a = w.inbox[0]
			w.inbox[0] = arrival{}
			w.inbox = w.inbox[1:]
			w.queued -= a.size()
			return a, true
		}
		w.inbox = nil // and its memory
		w.mu.Unlock()
		select {
		case <-w.filled:
		case <-w.ctx.Done():
			return a, false
		}
	}
}

func (w *wire) acknowledge(qos byte, id uint16) error {
	switch qos {
	case 1:
		return w.reply(packets.Puback, id)
	case 2:
		return w.reply(packets.Pubrec, id)
	}
	return nil
}

// deliver hands over incoming messages. A message is acknowledged when it is taken; one that is
// not stays with the broker.
func (w *wire) deliver() {
	r := w.cfg.Receiver
	for {
		a, ok := w.arrived()
		if !ok || r == nil || !r.Ready(w.ctx) {
			return
		}
		if a.m.QoS == 2 {
			w.take(a.id)
		}
		if w.acknowledge(a.m.QoS, a.id) != nil {
			if a.m.QoS == 2 {
				w.untake(a.id)
			}
			return
		}
		r.Receive(a.m)
	}
}

// Done is closed when the connection is broken.
func (w *wire) Done() <-chan struct{} { return w.ctx.Done() }

// Err is why.
func (w *wire) Err() error { return context.Cause(w.ctx) }

// Close ends the connection. Politely, it says so in public first.
func (w *wire) Close(polite bool) {
	if polite && w.ctx.Err() == nil {
		w.leave()
	}
	w.cancel(net.ErrClosed)
	_ = w.conn.Close()
	w.tasks.Wait()
}

func (w *wire) leave() {
	if m := w.cfg.Offline; m != nil {
		select {
		case <-w.settled:
		default:
		}
		if w.Send(m, 0, false) != nil {
			return
		}
		if min(m.QoS, w.maxQoS) > 0 {
			late := time.NewTimer(w.cfg.Linger)
			defer late.Stop()
			select {
			case <-w.settled:
			case <-late.C:
			case <-w.ctx.Done():
			}
		}
	}
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ProtocolVersion: w.cfg.Version}
	_ = w.send(&p, (*packets.Packet).DisconnectEncode)
}
