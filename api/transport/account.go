package transport

import (
	"log/slog"
	"sync"
	"time"
	"unsafe"

	"bifrons/api/janus"
)

// QueueBytes is the memory for everything that waits for clients to read it.
const QueueBytes = 64 << 20

// Account counts the memory of all that waits to be read by clients: events,
// answers, responses on their way. Data for many is counted once. Each client
// has a limit of its own; when all together take too much, those who have most
// lose it.
type Account struct {
	limit int64
	log   *slog.Logger

	mu       sync.Mutex
	used     int64
	shared   map[*byte]int // how many have the data that begins there
	accounts map[*Claim]struct{}
	shed     uint64
	warned   time.Time

	relieving sync.Mutex
}

// NewAccount makes an Account of limit bytes. log may be nil.
func NewAccount(limit int64, log *slog.Logger) *Account {
	if log == nil {
		log = slog.Default()
	}
	return &Account{limit: limit, log: log, shared: map[*byte]int{}, accounts: map[*Claim]struct{}{}}
}

// Claim is one client's part of an Account.
type Claim struct {
	account *Account
	shed    func()
	bytes   int64 // shared data included; guarded by the Account's mu
}

// Open makes a Claim. shed is called when the client has to lose some of the data that
// waits for it; it must not block.
func (a *Account) Open(shed func()) *Claim {
	c := &Claim{account: a, shed: shed}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accounts[c] = struct{}{}
	return c
}

// Close ends a Claim whose events have all been removed.
func (c *Claim) Close() {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	delete(c.account.accounts, c)
}

// eventOverhead is the memory of an event besides its bytes.
const eventOverhead = 160

// manyBytes of data are worth counting once for all who have them.
const manyBytes = 512

// Add counts an event. The caller should call Relieve once it holds no lock.
func (c *Claim) Add(e *janus.Event) {
	a := c.account
	a.mu.Lock()
	defer a.mu.Unlock()
	n := int64(e.Len() + eventOverhead)
	c.bytes += n
	a.used += n
	if key := sharedKey(e); key != nil {
		if a.shared[key]++; a.shared[key] > 1 {
			a.used -= int64(len(e.Data))
		}
	}
}

// Remove ends the count of an event.
func (c *Claim) Remove(e *janus.Event) {
	a := c.account
	a.mu.Lock()
	defer a.mu.Unlock()
	n := int64(e.Len() + eventOverhead)
	c.bytes -= n
	a.used -= n
	if key := sharedKey(e); key != nil {
		if a.shared[key]--; a.shared[key] > 0 {
			a.used += int64(len(e.Data))
		} else {
			delete(a.shared, key)
		}
	}
}

// sharedKey identifies the memory of data, nil if it is not worth it.
func sharedKey(e *janus.Event) *byte {
	if len(e.Data) < manyBytes {
		return nil
	}
	return unsafe.SliceData(e.Data)
}

// Relieve makes those who have most lose some, if all have too much.
func (a *Account) Relieve() {
	if !a.over() || !a.relieving.TryLock() {
		return
	}
	defer a.relieving.Unlock()
	for a.over() {
		most, before := a.most()
		if most == nil {
			return
		}
		most.shed()
		a.note(before)
		if most.size() >= before {
			return // somebody else adds to it, or it is on its way out
		}
	}
}

func (a *Account) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used > a.limit
}

// most is the largest Claim and its size.
func (a *Account) most() (most *Claim, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.accounts {
		if c.bytes > bytes {
			most, bytes = c, c.bytes
		}
	}
	return most, bytes
}

func (c *Claim) size() int64 {
	c.account.mu.Lock()
	defer c.account.mu.Unlock()
	return c.bytes
}

// note counts a loss and warns of it now and then.
func (a *Account) note(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shed++
	if now := time.Now(); a.warned.IsZero() || now.Sub(a.warned) >= warnPeriod {
		a.warned = now
		a.log.Warn("clients do not read: the longest queues are dropped", "waiting for one of them", bytes, "limit for all", a.limit, "so far", a.shed)
	}
}

// Used is how many bytes wait to be read.
func (a *Account) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}

// Shed counts the losses.
func (a *Account) Shed() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shed
}
