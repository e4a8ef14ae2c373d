package turn

import (
	"io"

	"github.com/pion/logging"
)

// silent keeps pion/turn from logging by itself: the errors say all that matters.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return nothing }

var nothing = logging.NewDefaultLeveledLoggerForScope("", logging.LogLevelDisabled, io.Discard)
