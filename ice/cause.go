package ice

// Cause is why an agent has failed.
type Cause uint8

// The causes.
const (
	NoCause        Cause = iota
	NoPair               // every pair was checked, and the remote has no more candidates (RFC 8445, 7.2.5.4)
	CheckingLimit        // no pair, and nothing new from the remote, for checkingTimeout
	Silence              // nothing authentic came for failAfter
	ConsentExpired       // the remote has not answered on the selected path for consentTimeout (RFC 7675, 5.1)
	NoLocal              // the links of all local candidates have ended
)

// String is a short English name.
func (c Cause) String() string {
	return [...]string{
		"none", "no pair works", "no path in time", "silence", "consent expired", "relay or connection lost",
	}[min(c, NoLocal)]
}
