package waittest

import (
	"testing"
	"testing/synctest"
	"time"
)

// Patience is how long a test waits for something that has to happen.
const Patience = 45 * time.Second

// InTime fails the test if f does not return.
func InTime(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	Closed(t, what, done)
}

// Closed fails the test if a channel is neither closed nor sent to.
func Closed(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	Next(t, what, c)
}

// Next receives from a channel, and fails the test if nothing comes.
func Next[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	return NextWithin(t, Patience, what, c)
}

// NextWithin is Next with a limit of its own.
func NextWithin[T any](t testing.TB, limit time.Duration, what string, c <-chan T) (v T) {
	t.Helper()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case v = <-c:
	case <-late.C:
		t.Fatalf("%s: nothing for %v", what, limit)
	}
	return v
}

// Until polls until a condition holds that signals nothing.
func Until(t testing.TB, what string, is func() bool) {
	t.Helper()
	UntilWithin(t, Patience, what, is)
}

// UntilWithin is Until with a limit of its own.
func UntilWithin(t testing.TB, limit time.Duration, what string, is func() bool) {
	t.Helper()
	UntilEvery(t, 2*time.Millisecond, limit, what, is)
}

// UntilEvery is UntilWithin for conditions that are costly to check.
func UntilEvery(t testing.TB, every, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(limit); !is(); time.Sleep(every) {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Pass has time pass in a bubble of testing/synctest, until what is due then is done. Outside
// of one it panics: tests do not sleep.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
