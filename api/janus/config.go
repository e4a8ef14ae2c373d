package janus

import (
	"log/slog"
	"time"

	"bifrons/api/auth"
	"bifrons/api/budget"
	"bifrons/api/config"
	"bifrons/api/module"
	"bifrons/api/signalling"
	"bifrons/sfu"
)

// RequestBytes is the memory that all requests at a time may take.
const RequestBytes = 64 << 20

// Config sets up a Core.
type Config struct {
	// Engine carries the media. Without one, every offer is refused.
	Engine *sfu.Engine

	// Auth checks credentials, default everybody.
	Auth *auth.Auth

	// Logger is the log, default slog.Default().
	Logger *slog.Logger

	// Requests bounds the memory of all requests that are parsed, wait or are
	// worked on, default RequestBytes.
	Requests *budget.Budget

	// Now is the clock of timeouts and of events for event handlers, default
	// time.Now. Timeouts go by the monotonic reading of its times.
	Now func() time.Time

	// ServerName is shown in server_info and in events for event handlers,
	// default that of package config.
	ServerName string

	// SessionTimeout ends a session without activity, 0 = never.
	SessionTimeout time.Duration

	// ReclaimTimeout is how long a session whose connection is gone waits to
	// be claimed, 0 = not at all.
	ReclaimTimeout time.Duration

	// CandidatesTimeout is how long candidates that came before their
	// description are kept, default that of package config.
	CandidatesTimeout time.Duration

	// FullTrickle sends candidates as events, not in descriptions.
	FullTrickle bool

	// OpaqueIDInAPI adds a handle's opaque id to its events and answers.
	OpaqueIDInAPI bool

	// ProtectedFolders are those in which nothing that clients ask for is
	// written.
	ProtectedFolders []string

	// RecordingSuffix is put behind the names of recordings that are not whole.
	RecordingSuffix string

	// StatsPeriod is the time between statistics of a connection's media for
	// event handlers, 0 = none; CombineStats puts those of all its media into
	// one event.
	StatsPeriod  time.Duration
	CombineStats bool

	// AllowForceRelay honours force_relay in a client's descriptions.
	AllowForceRelay bool

	// RelayWait is how long the search for a relay may take besides gathering.
	RelayWait time.Duration

	// The fields below are only shown in server_info.

	CommitHash, CompileTime string
	LogToStdout             bool
	LogPath                 string // "" = no log file
	TURNServer              string // host:port
	EventLoops              int
	LoopIndication          bool
	HideDependencies        bool
	Dependencies            []Dependency
	Loggers                 []Logger
}

// Logger is a logger besides the log.
type Logger interface {
	// Info describes it in server_info.
	Info() module.Info
}

// Dependency is a library and its version.
type Dependency struct{ Name, Version string }

func (cfg *Config) defaults() {
	if cfg.Auth == nil {
		cfg.Auth = auth.New(auth.Config{})
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Requests == nil {
		cfg.Requests = budget.New(RequestBytes)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	general := config.Default().Server.General
	if cfg.ServerName == "" {
		cfg.ServerName = general.ServerName
	}
	if cfg.CandidatesTimeout <= 0 {
		cfg.CandidatesTimeout = general.CandidatesTimeout
	}
	if cfg.CommitHash == "" {
		cfg.CommitHash = "not-a-git-repo"
	}
}

// signalling is the part of it about peer connections.
func (cfg *Config) signalling() signalling.Config {
	return signalling.Config{
		Engine: cfg.Engine, FullTrickle: cfg.FullTrickle, RelayWait: cfg.RelayWait, CandidatesTimeout: cfg.CandidatesTimeout, Now: cfg.Now,
	}
}
