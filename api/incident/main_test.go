package incident

import (
	"testing"

	"bifrons/rtp/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }
