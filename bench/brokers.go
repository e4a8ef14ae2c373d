package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bifrons/api/broker/brokertest"
	api "bifrons/api/client"
	"bifrons/bench/internal/netns"
	"bifrons/bench/internal/peer"
	"bifrons/bench/internal/report"
	"bifrons/bench/internal/server"
)

// starter stands in for a test that starts a broker. What fails it is a panic, which run
// makes an error of.
type starter struct {
	dirs    []string
	cleanup []func()
}

var _ brokertest.T = (*starter)(nil)

func (s *starter) Helper()                           {}
func (s *starter) Fatal(args ...any)                 { panic(errors.New(fmt.Sprint(args...))) }
func (s *starter) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }
func (s *starter) Skipf(format string, args ...any)  { panic(fmt.Errorf(format, args...)) }
func (s *starter) Cleanup(f func())                  { s.cleanup = append(s.cleanup, f) }

func (s *starter) TempDir() string {
	dir, err := os.MkdirTemp("", "bifrons-bench-broker-")
	if err != nil {
		panic(err)
	}
	s.dirs = append(s.dirs, dir)
	return dir
}

// run starts a broker.
func (s *starter) run(start func(brokertest.T) *brokertest.Broker) (b *brokertest.Broker, err error) {
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	return start(s), nil
}

func (s *starter) end() {
	for i := len(s.cleanup) - 1; i >= 0; i-- {
		s.cleanup[i]()
	}
	for _, dir := range s.dirs {
		_ = os.RemoveAll(dir)
	}
}

// Queues and topics of the workloads.
const toServer, fromServer = "to-bifrons", "from-bifrons"

func requestsRabbitMQ(ctx context.Context, b *bench, s server.Spec, _ *workload) (report.Result, error) {
	start := func(t brokertest.T) *brokertest.Broker { return brokertest.RabbitMQAt(t, netns.HostAddr) }
	return b.brokered(ctx, s, start, func(x *brokertest.Broker) (string, string) {
		return "rabbitmq", fmt.Sprintf("general: { enabled = true, host = %q, port = %d, to_janus = %q, from_janus = %q }", netns.HostAddr, x.Port, toServer, fromServer)
	}, func(_ context.Context, x *brokertest.Broker) (api.Conn, error) {
		return api.RabbitMQ(x.URL(), toServer, fromServer)
	})
}

func requestsMQTT(ctx context.Context, b *bench, s server.Spec, _ *workload) (report.Result, error) {
	start := func(t brokertest.T) *brokertest.Broker { return brokertest.MosquittoAt(t, netns.HostAddr) }
	return b.brokered(ctx, s, start, func(x *brokertest.Broker) (string, string) {
		return "mqtt", fmt.Sprintf("general: { enabled = true, url = \"tcp://%s\", client_id = \"bifrons\", subscribe_topic = %q, publish_topic = %q }", x.Address(), toServer, fromServer)
	}, func(_ context.Context, x *brokertest.Broker) (api.Conn, error) {
		return api.MQTT(api.MQTTOptions{Address: x.Address(), ClientID: "load", To: toServer, From: fromServer, QoS: 1})
	})
}

func requestsNanomsg(ctx context.Context, b *bench, s server.Spec, _ *workload) (report.Result, error) {
	const port = "8765"
	return b.brokered(ctx, s, nil, func(*brokertest.Broker) (string, string) {
		return "nanomsg", "general: { enabled = true, address = \"tcp://" + netns.InsideAddr + ":" + port + "\" }"
	}, func(context.Context, *brokertest.Broker) (api.Conn, error) {
		return api.Nanomsg("tcp://" + netns.InsideAddr + ":" + port)
	})
}

// brokered measures requests by a broker, or by none if start is nil. All callers share one
// connection, as it is with brokers, and have a handle each.
func (b *bench) brokered(ctx context.Context, s server.Spec, start func(brokertest.T) *brokertest.Broker,
	file func(*brokertest.Broker) (transport, text string), dial func(context.Context, *brokertest.Broker) (api.Conn, error),
) (report.Result, error) {
	var t starter
	defer t.end()
	var x *brokertest.Broker
	if start != nil {
		var err error
		if x, err = t.run(start); err != nil {
			return report.Result{}, err
		}
	}
	transport, text := file(x)
	var shared *peer.API
	defer func() {
		if shared != nil {
			shared.Close()
		}
	}()
	s = s.With(map[string]string{"janus.transport." + transport + ".jcfg": text})
	return b.requests(ctx, s, func(sc *setup) (client, error) {
		if shared == nil {
			conn, err := dial(sc.patient, x)
			if err != nil {
				return client{}, err
			}
			if shared, err = peer.NewAPI(sc.patient, conn); err != nil {
				return client{}, err
			}
		}
		h, err := shared.Room(sc.patient)
		return client{func(ctx context.Context) error { return shared.Ask(ctx, h) }, func() {}}, err
	})
}
