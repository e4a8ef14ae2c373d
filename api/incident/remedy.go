package incident

import (
	"strings"

	"bifrons/sfu"
)

const (
	udp      = "Open the server's UDP ports for media in the firewall. Behind NAT, tell the server its public address (nat_1_1_mapping, or -1). bifrons doctor says more."
	vanished = "The client vanished: it lost its network, or the device fell asleep. If many go at the same time, look at this server's network."
	fault    = "This is a fault of the server. Please report it, with the lines of the log around it."
	disk     = "Look whether the disk is full, slow or gone. Recordings go on by themselves when it answers."
	receiver = "Start the receiver of events, or look why it is slow. Calls are not affected."
	turn     = "Look at the TURN server and at turn_server, turn_port, turn_type, turn_user and turn_pwd, which are the server's own credentials."
)

// causes are the ends of connections that are worth a look, and their remedies.
var causes = map[sfu.Cause]struct{ text, remedy string }{
	sfu.CauseNoPair:         {"A client found no path for its media", udp},
	sfu.CauseCheckingLimit:  {"A client found no path for its media in time", udp},
	sfu.CauseSilence:        {"A connection was lost: nothing arrived any more", vanished},
	sfu.CauseConsent:        {"A connection was lost: the client no longer agreed to packets", vanished},
	sfu.CauseNoLocal:        {"A connection was lost: its relay or TCP connection ended", turn},
	sfu.CauseFingerprint:    {"A client's certificate is not the one in its description", "Something between the client and this server changes descriptions. If it is not yours, somebody may be listening in."},
	sfu.CauseHandshakeLimit: {"A handshake (DTLS) did not finish in time", "Large datagrams get lost on the way: lower dtls_mtu, and look for a VPN or tunnel."},
	sfu.CauseHandshake:      {"A handshake (DTLS) failed", "Very old clients need an RSA certificate (rsa_private_key). The log has more at debug level 6."},
	sfu.CauseNoRenewal:      {"A client restarted its transport and did not finish", "Nothing, if the page connects again. Otherwise look for errors in the client's log."},
	sfu.CauseUnreachable:    {"A far end outside of WebRTC refuses media", "Look whether its port is open, and whether the address that it signalled is right."},
	sfu.CauseInternal:       {"A connection ended by a fault of the server", fault},
}

// remedies are the remedies for lines of the log, by the beginnings of those.
var remedies = []struct{ line, remedy string }{
	{"panic", fault},
	{"cannot listen", "Look who has the port (ss -lnp), and whether the user of the server may read the certificate's files."},
	{"cannot receive media", "Look at the machine's memory and network."},
	{"media socket closed", "Restart the server. " + fault},
	{"STUN server did not answer", "Clients outside may not reach this server. A server with a fixed public address needs no STUN server: use nat_1_1_mapping."},
	{"no relayed candidate", turn},
	{"relay has ended", turn},
	{"TURN REST API failed", "Look at turn_rest_api and its key, and whether that server answers."},
	{"a connection is forced to relay", "Set turn_server or turn_rest_api, or turn allow_force_relay off."},
	{"event handler", receiver},
	{"recording waits for its disk", disk},
	{"recording cannot be written", disk},
	{"recording is incomplete", disk},
	{"recording ended with an error", disk},
	{"not recorded", "Look whether the folder exists and the user of the server may write there, and at protected_folders."},
	{"capture is incomplete", "Write captures to a faster disk, or truncate packets."},
	{"clients do not read", "Clients are slow or have gone: some lost events. If that happens often, look for clients that stop reading."},
	{"the server did not run for a while", "The process was stopped, or the machine had no time for it: look at its load, or at who suspends it."},
	{"texts not posted to the back end", "Start the room's back end (its setting post), or look why it is slow. The rooms are not affected."},
	{"a call has ended by itself", "Look whether the far end is up, and whether RTP gets through to it."},
	{"the media of a call have ended", "Look whether the far end is up, and whether RTP gets through to it."},
	{"no port for plain RTP", "Widen rtp_port_range, or look for calls that nobody ends."},
	{"no peer connection", "The client has to offer again. If it happens to all, look at candidates and certificates: bifrons doctor says more."},
	{"the certificate", "Look at the files of the certificate and who may read them, then send SIGHUP."},
}

// remedyOf is the remedy for a line of the log, "" if none is known.
func remedyOf(message string) string {
	for _, r := range remedies {
		if strings.HasPrefix(message, r.line) {
			return r.remedy
		}
	}
	return ""
}
