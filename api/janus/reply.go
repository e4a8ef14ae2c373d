package janus

import (
	"bifrons/api/json"
)

// maxReason is the length in bytes that reasons of errors are cut to.
const maxReason = 511

// ErrorReply makes an error that a transport has to report by itself.
// session and transaction are left out when 0 and "".
func ErrorReply(session uint64, transaction string, code Code, reason string) []byte {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	w := json.NewWriter(make([]byte, 0, 192))
	header(w, "error", session, transaction)
	w.Object("error")
	w.Int("code", int64(code))
	w.Str("reason", reason)
	w.End()
	w.End()
	return w.Bytes()
}

// InvalidJSON makes the error for a text that is not JSON, as transports other
// than HTTP report it. source names the transport.
func InvalidJSON(source string, err *json.SyntaxError) []byte {
	if source == "" {
		source = "<string>"
	}
	return ErrorReply(0, "", ErrInvalidJSON, "Invalid Janus API request - "+source+err.Error())
}

// header begins a reply.
func header(w *json.Writer, janus string, session uint64, transaction string) {
	w.Object("")
	w.Str("janus", janus)
	if session != 0 {
		w.Int("session_id", int64(session))
	}
	w.OptStr("transaction", transaction)
}

// Reply makes a reply whose further fields, if any, more writes.
func (e *Envelope) Reply(janus string, more func(w *json.Writer)) []byte {
	w := json.NewWriter(make([]byte, 0, 192))
	header(w, janus, e.SessionID, e.Transaction)
	if more != nil {
		more(w)
	}
	w.End()
	return w.Bytes()
}

// Fail makes an error reply.
func (e *Envelope) Fail(code Code, reason string) []byte {
	return ErrorReply(e.SessionID, e.Transaction, code, reason)
}
