package main

import (
	"path/filepath"
	"slices"
	"strings"

	"bifrons/api/config"
	"bifrons/api/transport"
	"bifrons/ice"
	"bifrons/ice/netio"
)

// sampleSecret is the one in the sample files of Janus, which everybody knows.
const sampleSecret = "janusoverlord"

// doubts are settings that let in more, or less, than they seem to: an Admin API
// without a secret, entries of access lists, addresses of media that are not there.
func doubts(c *config.Config) (list []config.Problem) {
	on := listenersOn(c)
	warn := func(file, section, key, value, text, effect string) {
		list = append(list, config.Problem{File: file, Section: section, Key: key,
			Value: value, Text: text, Effect: effect, Warning: true})
	}
	if names := on["admin"]; len(names) > 0 {
		file := c.MainFile
		if file == "" {
			file = filepath.Join(c.Folder, "janus.jcfg")
		}
		effect := "whoever reaches " + strings.Join(names, ", ") + " can do everything"
		switch c.Server.General.AdminSecret {
		case "":
			warn(file, "general", "admin_secret", "", "is not set", effect)
		case sampleSecret:
			warn(file, "general", "admin_secret", "", "is that of the sample file", effect)
		}
	}
	if n := &c.Server.NAT; len(n.EnforceList) > 0 && !anyAddress(c) {
		warn(c.MainFile, "nat", "ice_enforce_list", strings.Join(n.EnforceList, ","), "leaves no address of this machine",
			"media reaches nobody until an interface or address in it appears")
	}
	h, w := &c.HTTP, &c.WebSockets
	for _, acl := range []struct {
		file, section, key, api string
		entries                 []string
	}{
		{"janus.transport.http", "general", "acl", "http", h.General.ACL},
		{"janus.transport.http", "admin", "admin_acl", "http admin", h.Admin.ACL},
		{"janus.transport.websockets", "general", "ws_acl", "ws", w.General.ACL},
		{"janus.transport.websockets", "admin", "admin_ws_acl", "ws admin", w.Admin.ACL},
	} {
		if len(on[acl.api]) == 0 {
			continue
		}
		for _, d := range transport.Doubts(acl.entries) {
			warn(acl.file, acl.section, acl.key, d.Entry, d.Text, d.Effect)
		}
	}
	return list
}

// anyAddress reports whether clients get an address of this machine at all.
func anyAddress(c *config.Config) bool {
	list, err := netio.Interfaces()
	if err != nil {
		return true // nobody knows
	}
	hosts := make([]ice.HostAddr, len(list))
	for i, a := range list {
		hosts[i] = ice.HostAddr{Interface: a.Interface, Addr: a.Addr, Loopback: a.Loopback}
	}
	n, m := &c.Server.NAT, &c.Server.Media
	policy := ice.HostPolicy{Enforce: n.EnforceList, Ignore: n.IgnoreList, IPv6: m.IPv6, LinkLocal: m.IPv6LinkLocal}
	return len(policy.Candidates(hosts, 1)) > 0
}

// listenersOn are the names of the listeners that are on, by transport and API,
// and those of the Admin API all together.
func listenersOn(c *config.Config) map[string][]string {
	on := make(map[string][]string)
	add := func(transport string, listeners []config.Listener) {
		if c.Server.Transports.Disabled(strings.Replace(transport, "ws", "websockets", 1)) {
			return
		}
		for _, l := range listeners {
			if l.Admin {
				on[transport+" admin"] = append(on[transport+" admin"], l.Name)
				on["admin"] = append(on["admin"], l.Name)
			} else {
				on[transport] = append(on[transport], l.Name)
			}
		}
	}
	add("http", c.HTTP.Listeners())
	add("ws", c.WebSockets.Listeners())
	for transport, admin := range map[string]struct {
		on   bool
		name string
	}{
		"pfunix": {c.PFUnix.Admin.Enabled, "the Unix socket"}, "nanomsg": {c.Nanomsg.Admin.Enabled, "the Nanomsg socket"},
		"rabbitmq": {c.RabbitMQ.Admin.Enabled, "the RabbitMQ queue"}, "mqtt": {c.MQTT.Admin.Enabled, "the MQTT topic"},
	} {
		if admin.on {
			add(transport, []config.Listener{{Name: admin.name, Admin: true}})
		}
	}
	slices.Sort(on["admin"])
	return on
}
