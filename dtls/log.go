package dtls

import (
	"io"

	"github.com/pion/logging"
)

// silent keeps pion/dtls from logging by itself: the Reason says all that matters.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return nothing }

var nothing = logging.NewDefaultLeveledLoggerForScope("", logging.LogLevelDisabled, io.Discard)
