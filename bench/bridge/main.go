// Command bridge serves the Janus API by HTTP and asks a server for the answers by another
// transport, so that clients and checks that know only HTTP can try the others:
//
//	go run ./bench/bridge -listen localhost:9088 -over mqtt -at localhost:1883 -to to-janus -from from-janus
//
// Paths are those of the HTTP transport, with long polls. With -admin it is the Admin API. What is
// not JSON is passed on, too. By nature, some answers are not those of the HTTP transport:
// methods, headers and other paths are the bridge's own; a list instead of an object lacks a
// transaction (456 for 455); and session_transport names the other transport.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/client"
)

// way says how the server is asked.
type way struct {
	over     string
	at       string // URL, address or path
	to, from string // topics or queues, as the server's own settings name them
	admin    bool
}

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var w way
	flags := flag.NewFlagSet("bridge", flag.ContinueOnError)
	listen := flags.String("listen", "localhost:9088", "`address` of the HTTP server")
	flags.StringVar(&w.over, "over", "", "transport: rabbitmq, mqtt, mqtt5, nanomsg, unix or websockets")
	flags.StringVar(&w.at, "at", "", "where the server or its broker is: a `URL`, for mqtt host:port, for unix a path")
	flags.StringVar(&w.to, "to", "to-janus", "`queue or topic` of requests")
	flags.StringVar(&w.from, "from", "from-janus", "`queue or topic` of replies")
	flags.BoolVar(&w.admin, "admin", false, "serve the Admin API")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	conn, err := w.dial(ctx)
	if err != nil {
		return err
	}
	base := "/janus"
	if w.admin {
		base = "/admin"
	}
	b := newBridge(base, conn)
	defer b.Close()
	server := &http.Server{
		Addr: *listen, Handler: b, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (w way) dial(ctx context.Context) (texts, error) {
	conn, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	return conn.(texts), nil // all are
}

func (w way) open(ctx context.Context) (client.Conn, error) {
	o := client.MQTTOptions{Address: w.at, ClientID: "bridge-" + w.from, To: w.to, From: w.from, QoS: 1}
	switch w.over {
	case "rabbitmq":
		return client.RabbitMQ(w.at, w.to, w.from)
	case "mqtt":
		return client.MQTT(o)
	case "mqtt5":
		return client.MQTT5(ctx, o)
	case "nanomsg":
		return client.Nanomsg(w.at)
	case "unix":
		return client.Unix(ctx, w.at)
	case "websockets":
		protocol := client.Protocol
		if w.admin {
			protocol = client.AdminProtocol
		}
		return client.WebSocket(ctx, w.at, &websocket.DialOptions{Subprotocols: []string{protocol}})
	}
	return nil, fmt.Errorf("no transport is called %q", w.over)
}
