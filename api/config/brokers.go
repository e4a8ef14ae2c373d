package config

import (
	"strings"
	"time"

	"bifrons/api/broker"
	"bifrons/api/broker/mqtt"
	"bifrons/api/broker/nanomsg"
)

// Pairs are texts that belong together, two by two.
type Pairs [][2]string

// RabbitMQ holds the settings of janus.transport.rabbitmq.jcfg.
type RabbitMQ struct {
	General RabbitMQGeneral
	Admin   RabbitMQAdmin
}

// AMQP are the settings of a connection to a RabbitMQ broker.
type AMQP struct {
	Host           string        `cfg:"host"`
	Port           uint16        `cfg:"port" range:"1..65535"`
	VHost          string        `cfg:"vhost"`
	Username       string        `cfg:"username"`
	Password       string        `cfg:"password"`
	Heartbeat      time.Duration `cfg:"heartbeat" unit:"s" range:"0..65535"` // 0 = as the broker likes
	TLS            bool          `cfg:"ssl_enabled,ssl_enable"`
	CA             string        `cfg:"ssl_cacert"` // paths of PEM files
	Cert           string        `cfg:"ssl_cert"`
	Key            string        `cfg:"ssl_key"`
	VerifyPeer     bool          `cfg:"ssl_verify_peer" guard:"any server may pass for the broker"`
	VerifyHostname bool          `cfg:"ssl_verify_hostname" guard:"another server may pass for the broker"`
}

// DefaultAMQP are those of an empty file.
func DefaultAMQP() AMQP {
	return AMQP{Host: "localhost", Port: 5672, VHost: "/", Username: "guest", Password: "guest"}
}

// Security is how the connection is secured.
func (a *AMQP) Security() broker.TLS {
	return broker.TLS{On: a.TLS, CA: a.CA, Cert: a.Cert, Key: a.Key, VerifyServer: a.VerifyPeer, VerifyName: a.VerifyHostname}
}

// Check looks whether files of certificates can be read. key is the setting that turns them on.
func (a *AMQP) Check(file, key string) []Problem {
	return checkTLS(file, key, a.Security(), a.Host)
}

func checkTLS(file, key string, t broker.TLS, host string) []Problem {
	if !t.On {
		return nil
	}
	if _, err := t.Config(host); err != nil {
		return []Problem{{File: file, Section: "general", Key: key, Text: err.Error()}}
	}
	return nil
}

// RabbitMQGeneral is the section general: the broker, and the queues of the Janus API.
type RabbitMQGeneral struct {
	AMQP
	Enabled      bool   `cfg:"enabled,enable"`
	Events       bool   `cfg:"events"`
	JSON         string `cfg:"json" enum:"indented|plain|compact"`
	Exchange     string `cfg:"janus_exchange"` // "" = the default one
	ExchangeType string `cfg:"janus_exchange_type" enum:"fanout|direct|topic|headers"`
	Queue        string `cfg:"queue_name"`
	To           string `cfg:"to_janus"` // queue or routing key
	From         string `cfg:"from_janus"`
	Durable      bool   `cfg:"queue_durable"`
	Exclusive    bool   `cfg:"queue_exclusive"`
	AutoDelete   bool   `cfg:"queue_autodelete"`
	DeclareFrom  bool   `cfg:"declare_outgoing_queue"`

	AdminEnabled bool `cfg:"admin_enable"` // belongs to RabbitMQAdmin
}

// RabbitMQAdmin is the section admin: the queues of the Admin API.
type RabbitMQAdmin struct {
	Enabled     bool   `cfg:"admin_enabled"`
	Queue       string `cfg:"queue_name_admin"`
	To          string `cfg:"to_janus_admin"`
	From        string `cfg:"from_janus_admin"`
	Durable     bool   `cfg:"queue_durable_admin"`
	Exclusive   bool   `cfg:"queue_exclusive_admin"`
	AutoDelete  bool   `cfg:"queue_autodelete_admin"`
	DeclareFrom bool   `cfg:"declare_outgoing_queue_admin"`
}

func defaultRabbitMQ() RabbitMQ {
	return RabbitMQ{
		General: RabbitMQGeneral{AMQP: DefaultAMQP(), Events: true, JSON: "compact", ExchangeType: "fanout", DeclareFrom: true},
		Admin:   RabbitMQAdmin{DeclareFrom: true},
	}
}

// remote are the ways into the server through a broker that are on.
func remote(api, admin bool, names ...string) []Listener {
	return enabled([]bool{api, admin}, []Listener{{Name: names[0], Remote: true}, {Name: names[1], Admin: true, Remote: true}})
}

// Listeners returns the ways in that are on.
func (r *RabbitMQ) Listeners() []Listener {
	return remote(r.General.Enabled, r.Admin.Enabled, "enabled", "admin_enabled")
}

func (r *RabbitMQ) sections() []section {
	return []section{{"general", &r.General}, {"admin", &r.Admin}}
}

func (r *RabbitMQ) finish(file string) (out []Problem) {
	g, a := &r.General, &r.Admin
	a.Enabled = a.Enabled || g.AdminEnabled
	if g.Enabled {
		out = append(out, required(file, "general", "to_janus", g.To)...)
		out = append(out, required(file, "general", "from_janus", g.From)...)
	}
	if a.Enabled {
		out = append(out, required(file, "admin", "to_janus_admin", a.To)...)
		out = append(out, required(file, "admin", "from_janus_admin", a.From)...)
	}
	if g.Enabled && a.Enabled && g.To != "" && g.To == a.To {
		out = append(out, Problem{File: file, Section: "admin", Key: "to_janus_admin", Value: a.To,
			Text: "is the same as to_janus", Accepted: "one of its own"})
	}
	if g.Enabled || a.Enabled {
		out = append(out, g.Check(file, "ssl_enabled")...)
	}
	return out
}

func required(file, section, key, value string) []Problem {
	if value != "" {
		return nil
	}
	return []Problem{{File: file, Section: section, Key: key, Text: "is not set, and has no default"}}
}

// MQTT holds the settings of janus.transport.mqtt.jcfg.
type MQTT struct {
	General MQTTGeneral
	Admin   MQTTAdmin
	Status  MQTTStatus
}

// MQTTBroker are the settings of a connection to an MQTT broker.
type MQTTBroker struct {
	URL               string        `cfg:"url"`
	Version           string        `cfg:"mqtt_version" enum:"3.1|3.1.1|5"`
	ClientID          string        `cfg:"client_id"`
	Username          string        `cfg:"username"`
	Password          string        `cfg:"password"`
	KeepAlive         time.Duration `cfg:"keep_alive_interval" unit:"s" range:"0..65535"` // 0 = none
	CleanSession      bool          `cfg:"cleansession"`
	MaxInflight       int           `cfg:"max_inflight" range:"1..32767"`
	MaxBuffered       int           `cfg:"max_buffered" range:"0.."` // while there is no connection; 0 = as many as there is room for
	DisconnectTimeout time.Duration `cfg:"disconnect_timeout" unit:"ms" range:"0.."`
}

func defaultMQTTBroker() MQTTBroker {
	return MQTTBroker{URL: "tcp://localhost:1883", Version: "3.1.1", ClientID: "guest", MaxInflight: 10,
		DisconnectTimeout: 100 * time.Millisecond}
}

// DefaultMQTTEvents are those of an empty file of the event handler.
func DefaultMQTTEvents() MQTTBroker {
	b := defaultMQTTBroker()
	b.KeepAlive = 30 * time.Second
	return b
}

// Connection has the settings of the connection. t is how it is secured if
// the URL says that it is.
func (b *MQTTBroker) Connection(t broker.TLS) mqtt.Config {
	c := mqtt.Config{
		Version: mqtt.Versions[b.Version], ClientID: b.ClientID, User: b.Username, Password: b.Password,
		KeepAlive: b.KeepAlive, Clean: b.CleanSession, Linger: b.DisconnectTimeout, TLS: t,
	}
	c.Address, c.TLS.On, _ = mqtt.ParseURL(b.URL)
	return c
}

// Check looks whether it can be used. t.On means that the setting called key is on.
func (b *MQTTBroker) Check(file, key string, t broker.TLS) []Problem {
	address, secure, err := mqtt.ParseURL(b.URL)
	switch {
	case err != nil: // without its value, which may have a password
		return []Problem{{File: file, Section: "general", Key: "url", Text: err.Error(), Accepted: "tcp://host:port or ssl://host:port"}}
	case t.On && !secure:
		return []Problem{{File: file, Section: "general", Key: key, Text: "needs an ssl:// URL"}}
	}
	t.On = secure
	return checkTLS(file, "url", t, address)
}

// MQTTGeneral is the section general: the broker, and the topics of the Janus API.
type MQTTGeneral struct {
	MQTTBroker
	Enabled      bool   `cfg:"enabled,enable"`
	Events       bool   `cfg:"events"`
	JSON         string `cfg:"json" enum:"indented|plain|compact"`
	Subscribe    string `cfg:"subscribe_topic"`
	SubscribeQoS int    `cfg:"subscribe_qos" range:"0..2"`
	Publish      string `cfg:"publish_topic"`
	PublishQoS   int    `cfg:"publish_qos" range:"0..2"`
	TLS          bool   `cfg:"ssl_enabled,ssl_enable"`
	CA           string `cfg:"cacertfile"` // paths of PEM files
	Cert         string `cfg:"certfile"`
	Key          string `cfg:"keyfile"`
	VerifyPeer   bool   `cfg:"verify_peer" guard:"any server may pass for the broker"`

	Vacuum  time.Duration `cfg:"vacuum_interval" unit:"s" range:"1.."`
	Proxied []string      `cfg:"proxy_transaction_user_properties"`
	Added   Pairs         `cfg:"add_transaction_user_properties"`
}

// MQTTAdmin is the section admin: the topics of the Admin API.
type MQTTAdmin struct {
	Enabled      bool   `cfg:"admin_enabled,admin_enable"`
	Subscribe    string `cfg:"subscribe_topic"`
	SubscribeQoS int    `cfg:"subscribe_qos" range:"0..2"`
	Publish      string `cfg:"publish_topic"`
	PublishQoS   int    `cfg:"publish_qos" range:"0..2"` // of no effect: that of the section general counts
}

// MQTTStatus is the section status: the message about the server itself.
type MQTTStatus struct {
	Enabled    bool   `cfg:"enabled"`
	Connect    string `cfg:"connect_message"`
	Disconnect string `cfg:"disconnect_message"`
	Topic      string `cfg:"topic"`
	QoS        int    `cfg:"qos" range:"0..2"`
	Retain     bool   `cfg:"retain"`
}

func defaultMQTT() MQTT {
	g := MQTTGeneral{MQTTBroker: defaultMQTTBroker(), Events: true, JSON: "compact",
		SubscribeQoS: 1, PublishQoS: 1, Vacuum: time.Minute}
	g.KeepAlive, g.Username, g.Password = 20*time.Second, "guest", "guest"
	return MQTT{General: g, Admin: MQTTAdmin{SubscribeQoS: 1, PublishQoS: 1}, Status: MQTTStatus{Topic: "status", QoS: 1}}
}

// Listeners returns the ways in that are on.
func (m *MQTT) Listeners() []Listener {
	return remote(m.General.Enabled, m.Admin.Enabled, "enabled", "admin_enabled")
}

func (m *MQTT) sections() []section {
	return []section{{"general", &m.General}, {"admin", &m.Admin}, {"status", &m.Status}}
}

// Security is how the connection is secured.
func (m *MQTT) Security() broker.TLS {
	g := &m.General
	return broker.TLS{On: g.TLS, CA: g.CA, Cert: g.Cert, Key: g.Key, VerifyServer: g.VerifyPeer, VerifyName: g.VerifyPeer}
}

func (m *MQTT) finish(file string) (out []Problem) {
	g, a := &m.General, &m.Admin
	if g.Enabled {
		out = append(out, required(file, "general", "subscribe_topic", g.Subscribe)...)
		out = append(out, topic(file, "general", "publish_topic", g.Publish)...)
	}
	if a.Enabled {
		out = append(out, required(file, "admin", "subscribe_topic", a.Subscribe)...)
		out = append(out, topic(file, "admin", "publish_topic", a.Publish)...)
	}
	if g.Enabled && a.Enabled && g.Subscribe != "" && g.Subscribe == a.Subscribe {
		out = append(out, Problem{File: file, Section: "admin", Key: "subscribe_topic", Value: a.Subscribe,
			Text: "is that of the section general", Accepted: "one of its own"})
	}
	if !g.Enabled && !a.Enabled {
		return out
	}
	if m.Status.Enabled {
		out = append(out, topic(file, "status", "topic", m.Status.Topic)...)
	}
	return append(out, g.Check(file, "ssl_enabled", m.Security())...)
}

// topic looks at one to publish to.
func topic(file, section, key, value string) []Problem {
	if value != "" && mqtt.CheckTopic(value) != nil {
		return []Problem{{File: file, Section: section, Key: key, Value: value, Accepted: "a topic without + and #"}}
	}
	return required(file, section, key, value)
}

// Nanomsg holds the settings of janus.transport.nanomsg.jcfg.
type Nanomsg struct {
	General NanomsgGeneral
	Admin   NanomsgAdmin
}

// NanomsgGeneral is the section general: the socket of the Janus API.
type NanomsgGeneral struct {
	Enabled bool   `cfg:"enabled"`
	Events  bool   `cfg:"events"`
	JSON    string `cfg:"json" enum:"indented|plain|compact"`
	Mode    string `cfg:"mode" enum:"bind|connect"`
	Address string `cfg:"address"`
}

// NanomsgAdmin is the section admin: the socket of the Admin API.
type NanomsgAdmin struct {
	Enabled bool   `cfg:"admin_enabled"`
	Mode    string `cfg:"admin_mode" enum:"bind|connect"`
	Address string `cfg:"admin_address"`
}

func defaultNanomsg() Nanomsg {
	return Nanomsg{General: NanomsgGeneral{Events: true, JSON: "compact", Mode: "bind"}, Admin: NanomsgAdmin{Mode: "bind"}}
}

// Listeners returns the sockets that are on.
func (n *Nanomsg) Listeners() []Listener {
	list := remote(n.General.Enabled, n.Admin.Enabled, "enabled", "admin_enabled")
	for i := range list {
		l := &list[i]
		mode, address := n.General.Mode, n.General.Address
		if l.Admin {
			mode, address = n.Admin.Mode, n.Admin.Address
		}
		if path, ok := strings.CutPrefix(address, "ipc://"); ok && mode != "connect" {
			l.Unix, l.Remote = path, false
		}
	}
	return list
}

func (n *Nanomsg) sections() []section {
	return []section{{"general", &n.General}, {"admin", &n.Admin}}
}

func (n *Nanomsg) finish(file string) (out []Problem) {
	if n.General.Enabled {
		out = append(out, CheckNanomsg(file, "general", "address", n.General.Address)...)
	}
	if n.Admin.Enabled {
		out = append(out, CheckNanomsg(file, "admin", "admin_address", n.Admin.Address)...)
	}
	return out
}

// CheckNanomsg looks at the address of a socket.
func CheckNanomsg(file, section, key, address string) []Problem {
	if address == "" {
		return required(file, section, key, address)
	}
	if err := nanomsg.CheckAddress(address); err != nil {
		return []Problem{{File: file, Section: section, Key: key, Value: address, Text: err.Error()}}
	}
	return nil
}
