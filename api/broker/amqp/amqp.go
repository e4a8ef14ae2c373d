// Package amqp is a connection to a RabbitMQ broker (AMQP 0-9-1): one channel, on which
// some queues are consumed and messages are published with confirms.
package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"bifrons/api/broker"
)

// Config says how to connect, and which queues to declare.
type Config struct {
	Host           string
	Port           uint16
	VHost          string
	User, Password string
	TLS            broker.TLS
	Heartbeat      time.Duration // 0 = as the broker likes

	Exchange     string // to publish to, "" = the default one
	ExchangeType string
	Declare      []string // queues for published messages
	Consume      []Queue
	Receiver     broker.Receiver // of incoming messages; nil = nothing is consumed
}

// Queue is one to consume.
type Queue struct {
	Name                           string
	Key                            string // with which it is bound to the exchange, "" = not bound
	Durable, Exclusive, AutoDelete bool
}

// Address is where the broker is, for people.
func (c *Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) }

// prefetch is how many messages of a queue may be here before they are taken.
const prefetch = 256

// writeTimeout is how long the broker may leave data unread.
const writeTimeout = 30 * time.Second

// conn gives up when nothing can be written for long.
type conn struct{ net.Conn }

func (c conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// wire is a connection.
type wire struct {
	cfg       *Config
	raw       net.Conn
	conn      *amqp091.Connection
	channel   *amqp091.Channel
	confirmed func(n uint64)

	ctx    context.Context // ends with it
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup

	mu   sync.Mutex
	sent []uint64 // numbers that are not confirmed, in order
}

var _ broker.Wire = (*wire)(nil)

// Dial connects and declares. confirmed gets the numbers of messages that the broker
// has, or has refused.
func Dial(ctx context.Context, cfg Config, confirmed func(n uint64)) (broker.Wire, error) {
	raw, err := broker.Connect(ctx, cfg.Address(), cfg.TLS)
	if err != nil {
		return nil, err
	}
	w := &wire{cfg: &cfg, raw: raw, confirmed: confirmed}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	late := context.AfterFunc(ctx, func() { _ = raw.Close() })
	err = w.open()
	if !late() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		w.fail(err)
		w.Close(false)
		return nil, err
	}
	return w, nil
}

func (w *wire) open() (err error) {
	c := w.cfg
	w.conn, err = amqp091.Open(conn{w.raw}, amqp091.Config{
		SASL:  []amqp091.Authentication{&amqp091.PlainAuth{Username: c.User, Password: c.Password}},
		Vhost: c.VHost, Heartbeat: c.Heartbeat, Locale: "en_US",
		Properties: amqp091.Table{"product": "bifrons"},
	})
	if err != nil {
		return err
	}
	if w.channel, err = w.conn.Channel(); err != nil {
		return err
	}
	closed := w.channel.NotifyClose(make(chan *amqp091.Error, 1))
	w.tasks.Go(func() {
		err := error(errors.New("closed"))
		if e := <-closed; e != nil {
			err = e
		}
		w.fail(err)
	})
	if err := w.channel.Confirm(false); err != nil {
		return err
	}
	confirms := w.channel.NotifyPublish(make(chan amqp091.Confirmation, prefetch))
	w.tasks.Go(func() {
		for range confirms { // they are in order
			w.confirmFirst()
		}
	})
	return w.declare()
}

func (w *wire) declare() error {
	c := w.cfg
	if c.Exchange != "" {
		if err := w.channel.ExchangeDeclare(c.Exchange, c.ExchangeType, false, false, false, false, nil); err != nil {
			return fmt.Errorf("exchange %s: %w", c.Exchange, err)
		}
	}
	for _, name := range c.Declare {
		if _, err := w.channel.QueueDeclare(name, false, false, false, false, nil); err != nil {
			return fmt.Errorf("queue %s: %w", name, err)
		}
	}
	if c.Receiver == nil || len(c.Consume) == 0 {
		return nil
	}
	if err := w.channel.Qos(prefetch, 0, false); err != nil {
		return err
	}
	cancelled := w.channel.NotifyCancel(make(chan string, len(c.Consume)))
	w.tasks.Go(func() {
		if _, ok := <-cancelled; ok { // a new connection declares it again
			w.fail(errors.New("the broker has ended the consumption of a queue"))
		}
	})
	deliveries := make(chan amqp091.Delivery)
	for _, q := range c.Consume {
		from, err := w.consume(q)
		if err != nil {
			return fmt.Errorf("queue %s: %w", q.Name, err)
		}
		w.tasks.Go(func() {
			for d := range from {
				select {
				case deliveries <- d:
				case <-w.ctx.Done():
				}
			}
		})
	}
	w.tasks.Go(func() { w.receive(deliveries) })
	return nil
}

func (w *wire) consume(q Queue) (<-chan amqp091.Delivery, error) {
	if _, err := w.channel.QueueDeclare(q.Name, q.Durable, q.AutoDelete, q.Exclusive, false, nil); err != nil {
		return nil, err
	}
	if q.Key != "" {
		if err := w.channel.QueueBind(q.Name, q.Key, w.cfg.Exchange, false, nil); err != nil {
			return nil, err
		}
	}
	return w.channel.Consume(q.Name, "", false, false, false, false, nil)
}

// receive takes incoming messages. Each message is acknowledged when it is taken, so that
// the others stay with the broker, in whatever number.
func (w *wire) receive(from <-chan amqp091.Delivery) {
	r := w.cfg.Receiver
	for {
		select {
		case d := <-from:
			if !r.Ready(w.ctx) || d.Ack(false) != nil {
				continue // the broker keeps it
			}
			r.Receive(&broker.Message{
				Topic: d.RoutingKey, Body: d.Body, Correlation: []byte(d.CorrelationId), ReplyTo: d.ReplyTo, Again: d.Redelivered,
			})
		case <-w.ctx.Done():
			return
		}
	}
}

func (w *wire) confirmFirst() {
	w.mu.Lock()
	if len(w.sent) == 0 {
		w.mu.Unlock()
		return
	}
	n := w.sent[0]
	w.sent = w.sent[1:]
	w.mu.Unlock()
	w.confirmed(n)
}

// Send publishes a message.
func (w *wire) Send(m *broker.Message, n uint64, _ bool) error {
	w.mu.Lock()
	w.sent = append(w.sent, n) // before the confirm can come
	w.mu.Unlock()
	return w.channel.PublishWithContext(w.ctx, w.cfg.Exchange, m.Topic, false, false, amqp091.Publishing{
		ContentType: "application/json", ReplyTo: m.ReplyTo, CorrelationId: string(m.Correlation), MessageId: m.ID, Body: m.Body,
	})
}

func (w *wire) fail(err error) { w.cancel(err) }

// Done is closed when the connection is broken.
func (w *wire) Done() <-chan struct{} { return w.ctx.Done() }

// Err is why.
func (w *wire) Err() error { return context.Cause(w.ctx) }

// closeTimeout is how long a polite end may take.
const closeTimeout = time.Second

// Close ends the connection.
func (w *wire) Close(polite bool) {
	if polite && w.conn != nil {
		_ = w.conn.CloseDeadline(time.Now().Add(closeTimeout))
	}
	_ = w.raw.Close()
	w.fail(net.ErrClosed)
	w.tasks.Wait()
}
