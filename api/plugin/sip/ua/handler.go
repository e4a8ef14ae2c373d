package ua

import (
	"strings"
	"time"
)

// Handler receives the events of an account and its calls. Its methods are called one at a time and in order, on a
// goroutine of the account's queue, never with a lock held: they may call anything but Endpoint.Close.
type Handler interface {
	// Registered reports that the registrar has accepted us, each time that it does.
	Registered(Registered)
	// RegistrationFailed reports that we are not registered, and that nothing more is tried.
	RegistrationFailed(Failure)
	// Unregistered follows Account.Unregister.
	Unregistered(Failure)
	// Detached tells a helper that its master is gone. The helper is closed.
	Detached()

	// Incoming reports a call for us. It rings when Call.Ring is called.
	Incoming(*Call, Invite)
	// Missed reports a call that was answered with 486, as there is another one and no helper is free.
	Missed(Invite)
	// Provisional is a 1xx response, but for 100, to our INVITE.
	Provisional(*Call, Answer)
	// Answered is a 2xx response to our INVITE or re-INVITE, or the ACK that has the answer to our offer.
	Answered(*Call, Answer)
	// Reinvited asks for Call.AnswerReinvite or Call.RejectReinvite. SDP is "" where we have to make the offer.
	Reinvited(*Call, Invite)
	// ReinviteCanceled reports that the re-INVITE of Reinvited is no longer wanted.
	ReinviteCanceled(*Call)
	// ReinviteDisplaced comes before Reinvited if an offer of ours, that Call.Reinvite has taken, still waits: it is
	// forgotten, and may be made again when the other side's is answered.
	ReinviteDisplaced(*Call)
	// ReinviteFailed reports that our re-INVITE was refused; the session is as it was before.
	ReinviteFailed(*Call, Failure)
	// Ended comes once for each call, as the last of its events but those of transfers.
	Ended(*Call, End)

	// Transfer is a REFER. The answer is Transfer.Decline, or CallConfig.Transfer. The call is nil if there is none.
	Transfer(*Call, *Transfer, Referral)
	// Info is an INFO request with a body.
	Info(*Call, Content)
	// Message is a MESSAGE with a body; the call is nil outside one.
	Message(*Call, Content)
	// MessageResult is the outcome of a MESSAGE of ours.
	MessageResult(Result)
	// Notify is a NOTIFY with a body, for a subscription or a transfer of ours, or from the registrar.
	Notify(Notification)
	// Subscribed is the answer to a SUBSCRIBE of ours.
	Subscribed(Subscribed)
	// Trace is a message that came or went, if Config.Traces says so.
	Trace(out bool, message string)
}

// Header is a header field of a message.
type Header struct{ Name, Value string }

// Headers are the header fields of a message in order. Compact names are written out (RFC 3261, 7.3.3).
type Headers []Header

// Get is the value of the first field with that name, "" if there is none.
func (h Headers) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// All are the values of all fields with that name.
func (h Headers) All(name string) (list []string) {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			list = append(list, f.Value)
		}
	}
	return list
}

// Matching are the fields that no RFC of this package's knows and whose names begin with one of the prefixes, in any
// case.
func (h Headers) Matching(prefixes []string) (list Headers) {
	for _, f := range h {
		if standard[strings.ToLower(f.Name)] {
			continue
		}
		for _, p := range prefixes {
			if len(f.Name) >= len(p) && strings.EqualFold(f.Name[:len(p)], p) {
				list = append(list, f)
				break
			}
		}
	}
	return list
}

// standard are the names of header fields that have a meaning for SIP itself, in lower case.
var standard = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`accept accept-contact accept-encoding accept-language alert-info allow allow-events
		authentication-info authorization call-id call-info contact content-disposition content-encoding content-language
		content-length content-type cseq date encryption error-info event expires from in-reply-to join max-forwards
		mime-version min-expires min-se organization p-asserted-identity p-preferred-identity path priority privacy
		proxy-authenticate proxy-authorization proxy-require rack reason record-route refer-sub refer-to referred-by
		reject-contact replaces reply-to request-disposition require retry-after route rseq security-client
		security-server security-verify server service-route session-expires sip-etag sip-if-match subject
		subscription-state supported suppress-body-if-match timestamp to unsupported user-agent via warning
		www-authenticate`) {
		m[name] = true
	}
	return m
}()

// Registered is a 2xx response to REGISTER.
type Registered struct {
	Expires time.Duration // until it has to be refreshed, which happens by itself
	Refresh bool          // not the first since Account.Register
	Headers Headers
}

// Failure is a final response that ends something. Code is 408 if nothing came, 503 if nothing could be sent.
type Failure struct {
	Code    int
	Reason  string
	Headers Headers // none if we made the response
}

// Invite is an INVITE that we got.
type Invite struct {
	CallID      string
	From        string // URI of the caller
	DisplayName string // of the caller, without quotes
	To          string // URI that was called
	Asserted    string // URI of P-Asserted-Identity (RFC 3325), "" if there is none
	SDP         string // "" if we have to make the offer
	ReferredBy  string // value of Referred-By (RFC 3892)
	Replaces    string // value of Replaces (RFC 3891)
	Focus       bool   // the Contact has isfocus (RFC 4579)
	Headers     Headers
}

// Answer is a response to our INVITE, or an ACK with a description.
type Answer struct {
	Code    int // 0 for an ACK
	Reason  string
	SDP     string // "" if there is none
	To      string // URI that was called
	Focus   bool   // the Contact has isfocus
	Update  bool   // belongs to a re-INVITE
	Headers Headers
}

// End says why a call is over.
type End struct {
	Code   int
	Reason string
	// Of a Reason header (RFC 3326): its text without quotes, protocol and cause.
	ReasonText, ReasonProtocol, ReasonCause string
	Contacts                                []string // of a 3xx response, which is not followed
	Headers                                 Headers
}

// Referral is a REFER that we got (RFC 3515).
type Referral struct {
	To         string // URI, without headers
	ReferredBy string // value of Referred-By, or else the URI of From
	Replaces   string // value of Replaces in the URI, unescaped
	Headers    Headers
}

// Content is a body that we got.
type Content struct {
	CallID      string
	From        string
	DisplayName string
	Type        string
	Body        string
	Headers     Headers
}

// Result is the outcome of a MESSAGE.
type Result struct {
	CallID string
	Failure
}

// Notification is a NOTIFY.
type Notification struct {
	CallID    string
	Event     string // whole value of Event, without parameters
	SubState  string // of Subscription-State, without parameters
	Type      string
	Body      string
	Headers   Headers
	Requested bool // by a subscription or transfer of ours
}

// Subscribed is the final response to a SUBSCRIBE.
type Subscribed struct {
	CallID  string
	Event   string
	OK      bool
	Expires time.Duration // 0 = not told, or over
	Refresh bool          // made by itself, before the subscription ran out
	Failure
}
