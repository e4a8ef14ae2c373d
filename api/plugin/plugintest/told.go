package plugintest

import (
	"slices"
	"strings"
	"testing"
)

// Told fails the test unless these are all lines of a log. want has the level and the end
// of the message of each: "WARN :3: general.x: unknown setting, ignored".
func Told(t testing.TB, log string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.ReplaceAll(log, `\"`, `"`), "\n")
	for _, w := range want {
		level, text, _ := strings.Cut(w, " ")
		i := slices.IndexFunc(lines, func(line string) bool {
			return strings.Contains(line, "level="+level) && strings.HasSuffix(line, text+`"`)
		})
		if i < 0 {
			t.Errorf("not told: %s", w)
			continue
		}
		lines[i] = ""
	}
	if rest := strings.TrimSpace(strings.Join(lines, "")); rest != "" {
		t.Errorf("also told: %s", rest)
	}
}
