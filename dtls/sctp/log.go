package sctp

import (
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logger passes on the warnings and errors of pion/sctp, at debug level: they
// are about the peer, not about us. Its own debug messages are too many.
type logger struct{ log *slog.Logger }

func (l logger) NewLogger(string) logging.LeveledLogger { return l }

func (logger) Trace(string)                {}
func (logger) Tracef(string, ...any)       {}
func (logger) Debug(string)                {}
func (logger) Debugf(string, ...any)       {}
func (logger) Info(string)                 {}
func (logger) Infof(string, ...any)        {}
func (l logger) Warn(text string)          { l.log.Debug(text) }
func (l logger) Warnf(f string, v ...any)  { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l logger) Error(text string)         { l.log.Debug(text) }
func (l logger) Errorf(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...)) }
