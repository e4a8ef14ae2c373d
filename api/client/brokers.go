package client

import (
	"context"
	"errors"
	"net"
	"sync"

	amqp091 "github.com/rabbitmq/amqp091-go"

	paho5 "github.com/eclipse/paho.golang/paho"
	paho "github.com/eclipse/paho.mqtt.golang"
	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pair"
	_ "go.nanomsg.org/mangos/v3/transport/all" // registers itself
)

// errOver is the end of a connection.
var errOver = errors.New("the connection is closed")

// mailbox keeps messages until they are received.
type mailbox struct {
	mu    sync.Mutex
	list  [][]byte
	more  chan struct{} // capacity 1
	over  chan struct{}
	close sync.Once
}

func newMailbox() *mailbox { return &mailbox{more: make(chan struct{}, 1), over: make(chan struct{})} }

func (b *mailbox) put(text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, text)
	select {
	case b.more <- struct{}{}:
	default:
	}
}

func (b *mailbox) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.list) == 0 {
		return nil
	}
	text := b.list[0]
	b.list = b.list[1:]
	return text
}

func (b *mailbox) end() { b.close.Do(func() { close(b.over) }) }

func (b *mailbox) Receive() ([]byte, error) {
	for {
		if text := b.take(); text != nil {
			return text, nil
		}
		select {
		case <-b.more:
		case <-b.over:
			return nil, errOver
		}
	}
}

type rabbit struct {
	*mailbox
	conn    *amqp091.Connection
	channel *amqp091.Channel
	to      string
	tasks   sync.WaitGroup
}

// RabbitMQ connects to a broker, such as "amqp://guest:guest@127.0.0.1:5672/", to publish to
// a queue of a server and take messages from another one.
func RabbitMQ(url, to, from string) (Conn, error) {
	conn, err := amqp091.Dial(url)
	if err != nil {
		return nil, err
	}
	r := &rabbit{mailbox: newMailbox(), conn: conn, to: to}
	if err := r.open(from); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return r, nil
}

func (r *rabbit) open(from string) (err error) {
	if r.channel, err = r.conn.Channel(); err != nil {
		return err
	}
	for _, name := range []string{r.to, from} {
		if _, err := r.channel.QueueDeclare(name, false, false, false, false, nil); err != nil {
			return err
		}
	}
	deliveries, err := r.channel.Consume(from, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	r.tasks.Go(func() {
		for d := range deliveries {
			r.put(d.Body)
		}
		r.end()
	})
	return nil
}

func (r *rabbit) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	transaction, _ := m["transaction"].(string)
	return r.publish(ctx, text, transaction)
}

func (r *rabbit) SendText(ctx context.Context, text []byte) error { return r.publish(ctx, text, "") }

func (r *rabbit) publish(ctx context.Context, text []byte, transaction string) error {
	return r.channel.PublishWithContext(ctx, "", r.to, false, false, amqp091.Publishing{Body: text, CorrelationId: transaction})
}

func (r *rabbit) Close(bool) error {
	err := r.conn.Close()
	r.end()
	r.tasks.Wait()
	return err
}

// MQTTOptions say where a broker is, and on which topics.
type MQTTOptions struct {
	Address  string // host and port
	ClientID string
	To, From string
	QoS      byte
}

type mqtt3 struct {
	*mailbox
	client paho.Client
	o      MQTTOptions
}

// MQTT connects to a broker with MQTT 3.1.1, to publish to a topic of a server and take
// messages from another one.
func MQTT(o MQTTOptions) (Conn, error) {
	c := &mqtt3{mailbox: newMailbox(), o: o}
	c.client = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + o.Address).SetClientID(o.ClientID).
		SetProtocolVersion(4).SetAutoReconnect(false).SetOrderMatters(true).
		SetConnectionLostHandler(func(paho.Client, error) { c.end() }))
	if t := c.client.Connect(); t.Wait() && t.Error() != nil {
		return nil, t.Error()
	}
	t := c.client.Subscribe(o.From, o.QoS, func(_ paho.Client, m paho.Message) { c.put(m.Payload()) })
	if t.Wait() && t.Error() != nil {
		c.client.Disconnect(0)
		return nil, t.Error()
	}
	return c, nil
}

func (c *mqtt3) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	return c.SendText(ctx, text)
}

func (c *mqtt3) SendText(_ context.Context, text []byte) error {
	c.client.Publish(c.o.To, c.o.QoS, false, text) // the reply shows that it has arrived
	return nil
}

func (c *mqtt3) Close(bool) error {
	c.client.Disconnect(250)
	c.end()
	return nil
}

type mqtt5 struct {
	*mailbox
	client *paho5.Client
	o      MQTTOptions
}

// MQTT5 is MQTT with version 5, whose requests name From as the topic for the response.
func MQTT5(ctx context.Context, o MQTTOptions) (Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	c := &mqtt5{mailbox: newMailbox(), o: o}
	c.client = paho5.NewClient(paho5.ClientConfig{
		Conn: raw,
		OnPublishReceived: []func(paho5.PublishReceived) (bool, error){func(p paho5.PublishReceived) (bool, error) {
			c.put(p.Packet.Payload)
			return true, nil
		}},
		OnClientError: func(error) { c.end() }, OnServerDisconnect: func(*paho5.Disconnect) { c.end() },
	})
	if _, err := c.client.Connect(ctx, &paho5.Connect{ClientID: o.ClientID, CleanStart: true, KeepAlive: 30}); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	_, err = c.client.Subscribe(ctx, &paho5.Subscribe{Subscriptions: []paho5.SubscribeOptions{{Topic: o.From, QoS: o.QoS}}})
	if err != nil {
		return nil, errors.Join(err, c.Close(true))
	}
	return c, nil
}

func (c *mqtt5) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	return c.SendText(ctx, text)
}

func (c *mqtt5) SendText(ctx context.Context, text []byte) error {
	_, err := c.client.PublishWithOptions(ctx, &paho5.Publish{Topic: c.o.To, QoS: c.o.QoS, Payload: text,
		Properties: &paho5.PublishProperties{ResponseTopic: c.o.From}}, paho5.PublishOptions{Method: paho5.PublishMethod_AsyncSend})
	return err
}

func (c *mqtt5) Close(bool) error {
	err := c.client.Disconnect(&paho5.Disconnect{})
	c.end()
	return err
}

type nanomsg struct{ socket mangos.Socket }

// Nanomsg connects a pair socket to an address, such as "ipc:///tmp/janus.ipc".
func Nanomsg(address string) (Conn, error) {
	s, err := pair.NewSocket()
	if err != nil {
		return nil, err
	}
	if err := s.Dial(address); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return nanomsg{s}, nil
}

// NanomsgListen is Nanomsg for a server that connects.
func NanomsgListen(address string) (Conn, error) {
	s, err := pair.NewSocket()
	if err != nil {
		return nil, err
	}
	if err := s.Listen(address); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return nanomsg{s}, nil
}

func (n nanomsg) Send(ctx context.Context, session, handle uint64, m Object) error {
	text, err := encode(session, handle, m)
	if err != nil {
		return err
	}
	return n.SendText(ctx, text)
}

func (n nanomsg) SendText(_ context.Context, text []byte) error { return n.socket.Send(text) }

func (n nanomsg) Receive() ([]byte, error) { return n.socket.Recv() }

func (n nanomsg) Close(bool) error { return n.socket.Close() }
