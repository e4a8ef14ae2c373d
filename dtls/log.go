package dtls

import (
	"io"

	"github.com/pion/logging"
)

// silent keeps pion/dtls from logging by itself: what matters is in the Reason.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return nothing }

var nothing = logging.NewDefaultLeveledLoggerForScope("", logging.LogLevelDisabled, io.Discard)
