package plugin

// Seated is a Handle that knows where its client is.
type Seated interface {
	// Seat returns that. It is called at any time, like Query.
	Seat() Seat
}

// Seat is where a client is, and as what, for those who run the server. The zero value
// is nowhere.
type Seat struct {
	Kind  string // one of those below, "" = nowhere
	ID    string // of the room: all with the same one are together
	Title string // of the room, where its plugin is no Landlord
	Role  string // "publisher"
	User  string // id of the client there
	Name  string // the display name of the client
	State string // of a call
}

// Kinds of seats.
const (
	InRoom       = "room"
	AtMountpoint = "mountpoint"
	InCall       = "call"
	AtRecording  = "recording"
)

// Landlord is a Plugin with rooms or mountpoints.
type Landlord interface{ Rooms() Rooms }

// Rooms are the rooms of a Landlord. rooms.Registry implements them.
type Rooms interface {
	// Len is how many there are.
	Len() int
	// Title is the display title of one, "" if there is none or it has no title.
	Title(id string) string
}

// SeatOf asks a Seated. Others are nowhere.
func SeatOf(h Handle) Seat {
	if x, ok := h.(Seated); ok {
		return x.Seat()
	}
	return Seat{}
}
