// Package whip serves WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-04): to publish into
// a video room, and to watch a publisher, a room or a mountpoint, with one URL each.
//
// Towards the core a resource is a client of the Janus API like others, with a session of
// its own. So whoever sees clients sees these: other participants, the Admin API, event
// handlers.
package whip

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"bifrons/api/budget"
	"bifrons/api/janus"
	"bifrons/api/module"
	"bifrons/api/task"
	"bifrons/api/transport"
)

// Package is the name of this transport in the Janus API.
const Package = "bifrons.transport.whip"

// Plugins that endpoints lead to.
const (
	roomPackage  = "janus.plugin.videoroom"
	mountPackage = "janus.plugin.streaming"
)

// Config sets up a Server. Zero values stand for the defaults.
type Config struct {
	Endpoints []Endpoint

	// WHIP and WHEP are the paths below which the two are served; default "/whip" and
	// "/whep".
	WHIP, WHEP string

	// Ports are listeners besides those of others that serve Handler; none by default.
	Ports       transport.Ports
	Certificate transport.Certificate
	MaxConns    int // of each listener; 0: any number
	Gate        *transport.Gate

	Origins    transport.Origins
	Bodies     *budget.Budget // for the bodies being received, shared; default transport.BodyBytes
	ICEServers []ICEServer    // for endpoints that have none of their own

	// Relays asks for ICE servers with credentials for a user, where ICEServers are nil;
	// nil if nobody is to be asked.
	Relays func(ctx context.Context, user string) []ICEServer

	Trusted    []string // addresses of proxies, as in transport.ACL; loopback is trusted
	TokenInURL bool     // the token may come as ?token= as well
	Strict     bool     // PATCH needs If-Match (RFC 9725, 4.3.1)

	MaxResources  int           // default 10000
	PerAddress    int           // resources that one address may have; 0: any number
	RequestRate   float64       // requests a second of one address; default 20
	AnswerTimeout time.Duration // for the core; default 10 s
	HeaderTimeout time.Duration // default transport.HeaderTimeout
	BodyTimeout   time.Duration // default transport.BodyTimeout
	IdleTimeout   time.Duration // of connections; default 120 s
	OfferTimeout  time.Duration // for the answer to an offer of ours; default 30 s

	Log *slog.Logger // default slog.Default()
}

func (c *Config) setDefaults() {
	c.WHIP, c.WHEP = cleanBase(c.WHIP, "/whip"), cleanBase(c.WHEP, "/whep")
	if c.MaxResources <= 0 {
		c.MaxResources = 10000
	}
	if c.RequestRate <= 0 {
		c.RequestRate = 20
	}
	for d, to := range map[*time.Duration]time.Duration{
		&c.AnswerTimeout: 10 * time.Second, &c.HeaderTimeout: transport.HeaderTimeout, &c.BodyTimeout: transport.BodyTimeout,
		&c.IdleTimeout: 120 * time.Second, &c.OfferTimeout: 30 * time.Second,
	} {
		if *d <= 0 {
			*d = to
		}
	}
	if c.Bodies == nil {
		c.Bodies = budget.New(transport.BodyBytes)
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// cleanBase makes "/x" of "x/".
func cleanBase(path, otherwise string) string {
	if path = strings.Trim(path, "/"); path == "" {
		return otherwise
	}
	return "/" + path
}

// Server serves endpoints. All methods may be called from any goroutine.
type Server struct {
	cfg  Config
	core *janus.Core
	web  transport.Web

	tasks   task.Tasks
	rates   *rates
	trusted transport.ACL
	table   table           // fixed
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	closing bool // guarded by mu

	mu        sync.Mutex
	endpoints map[name]*Endpoint // values are not changed
	resources map[string]*resource
	made      uint64 // resources so far
	members   map[*Endpoint]map[*resource]bool
	hosts     map[netip.Prefix]int // resources, by network
	crowds    map[*Endpoint]bool   // whose players are due to get their number
}

// name is a kind with an id: the same id may stand for one of each.
type name struct {
	kind Kind
	id   string
}

var _ janus.Transport = (*Server)(nil)

// New makes a Server, and opens the listeners of its own. Those that cannot be opened are
// logged; it is an error if none of those wanted is left.
func New(cfg Config, core *janus.Core) (*Server, error) {
	cfg.setDefaults()
	s := &Server{cfg: cfg, core: core, rates: newRates(cfg.RequestRate), table: newTable(),
		endpoints: make(map[name]*Endpoint), resources: make(map[string]*resource), members: make(map[*Endpoint]map[*resource]bool),
		hosts: make(map[netip.Prefix]int), crowds: make(map[*Endpoint]bool)}
	s.trusted = transport.NewACL(cfg.Trusted, false)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.tasks.Log = cfg.Log
	for i := range cfg.Endpoints {
		if err := s.Create(cfg.Endpoints[i]); err != nil {
			return nil, err
		}
	}
	s.web = transport.Web{Package: Package, Scheme: "http", Certificate: cfg.Certificate, MaxConns: cfg.MaxConns, Gate: cfg.Gate, Log: cfg.Log}
	if !cfg.Ports.Plain.Enabled && !cfg.Ports.Secure.Enabled {
		return s, nil
	}
	return s, s.web.Open(cfg.Ports, transport.Ports{}, func(bool) *http.Server {
		return &http.Server{Handler: s.guarded(cfg.Ports.ACL), ReadHeaderTimeout: cfg.HeaderTimeout, IdleTimeout: cfg.IdleTimeout}
	})
}

// guarded serves on the listeners of its own, with their access list.
func (s *Server) guarded(acl transport.ACL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visitor := transport.VisitorOf(r.Context())
		visitor.Active()
		defer visitor.Idle()
		if !acl.AllowsRequest(r) {
			panic(http.ErrAbortHandler)
		}
		s.ServeHTTP(w, r)
	})
}

// Serves reports whether a path is one of the Server's.
func (s *Server) Serves(path string) bool {
	_, ok := s.route(path)
	return ok
}

// Start accepts connections on the listeners of its own until Close.
func (s *Server) Start() { s.web.Start() }

// Listeners are those of its own that are open.
func (s *Server) Listeners() []transport.Listener {
	list := s.web.Listeners(s.cfg.WHIP, "")
	for i := range list {
		list[i].Name = "whip_" + list[i].Name
	}
	return list
}

// closeTimeout is how long running requests may take to finish.
const closeTimeout = 3 * time.Second

// Close ends all resources.
func (s *Server) Close() {
	s.mu.Lock()
	s.closing = true
	all := make([]*resource, 0, len(s.resources))
	for _, x := range s.resources {
		all = append(all, x)
	}
	s.mu.Unlock()
	s.stop()
	for _, x := range all {
		x.end("the server stops")
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.web.Shutdown(ctx)
	s.tasks.WaitFor(closeTimeout)
}

// Info describes the transport in server_info.
func (s *Server) Info() module.Info {
	return module.Info{Package: Package, Name: "bifrons WHIP and WHEP", Author: module.Author,
		Description: "Publishing and watching with one URL (RFC 9725, draft-ietf-wish-whep).", VersionString: "0.1.0", Version: 1}
}

// Create adds an endpoint. It is an error if it makes no sense, or if there is one of that
// name and kind.
func (s *Server) Create(e Endpoint) error {
	if err := e.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := name{e.Kind, e.ID}
	switch {
	case s.endpoints[n] != nil:
		return fmt.Errorf("there is an endpoint %q for %s", e.ID, e.Kind)
	case len(s.endpoints) >= maxEndpoints:
		return fmt.Errorf("there are %d endpoints, which is the limit", len(s.endpoints))
	}
	s.endpoints[n] = &e
	return nil
}

// Destroy takes an endpoint away, and ends its resources; false if there is none.
func (s *Server) Destroy(kind Kind, id string) bool {
	s.mu.Lock()
	n := name{kind, id}
	e := s.endpoints[n]
	delete(s.endpoints, n)
	of := s.of(e)
	s.mu.Unlock()
	for _, x := range of {
		x.end("its endpoint was destroyed")
	}
	return e != nil
}

// of are the resources of an endpoint. s.mu is held.
func (s *Server) of(e *Endpoint) (list []*resource) {
	for x := range s.members[e] {
		list = append(list, x)
	}
	return list
}

// Listed is an endpoint with its sessions.
type Listed struct {
	Endpoint
	Resources []string // sessions of the Janus API
}

// Endpoints are all of them, by kind and id.
func (s *Server) Endpoints() []Listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Listed, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		x := Listed{Endpoint: *e}
		for _, r := range s.of(e) {
			x.Resources = append(x.Resources, r.sessionID())
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Listed) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// endpoint finds one, nil if there is none.
func (s *Server) endpoint(kind Kind, id string) *Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoints[name{kind, id}]
}

// resource finds one, nil if there is none.
func (s *Server) resource(kind Kind, id string) *resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.resources[id]; x != nil && x.endpoint.Kind == kind {
		return x
	}
	return nil
}

// randomID names a resource; nobody can guess it (RFC 9725, 5).
func randomID() string { return strings.ToLower(rand.Text()) }
