package script

// callback is a function that a script may have.
type callback uint8

const (
	cbInit callback = iota
	cbDestroy
	cbResumeScheduler
	cbCreateSession
	cbDestroySession
	cbQuerySession
	cbHandleMessage
	cbSetupMedia
	cbHangupMedia
	cbGetVersion
	cbGetVersionString
	cbGetDescription
	cbGetName
	cbGetAuthor
	cbGetPackage
	cbHandleAdminMessage
	cbIncomingRTP
	cbIncomingRTCP
	cbIncomingTextData
	cbIncomingData // an older name of cbIncomingTextData
	cbIncomingBinaryData
	cbDataReady
	cbSlowLink
	cbSubstreamChanged
	cbTemporalLayerChanged
	numCallbacks
)

// callbacks are the functions that a script may have; those that are required it must have.
var callbacks = [numCallbacks]struct {
	name     string
	required bool
}{
	cbInit:                 {"init", true},
	cbDestroy:              {"destroy", true},
	cbResumeScheduler:      {"resumeScheduler", true},
	cbCreateSession:        {"createSession", true},
	cbDestroySession:       {"destroySession", true},
	cbQuerySession:         {"querySession", true},
	cbHandleMessage:        {"handleMessage", true},
	cbSetupMedia:           {"setupMedia", true},
	cbHangupMedia:          {"hangupMedia", true},
	cbGetVersion:           {"getVersion", false},
	cbGetVersionString:     {"getVersionString", false},
	cbGetDescription:       {"getDescription", false},
	cbGetName:              {"getName", false},
	cbGetAuthor:            {"getAuthor", false},
	cbGetPackage:           {"getPackage", false},
	cbHandleAdminMessage:   {"handleAdminMessage", false},
	cbIncomingRTP:          {"incomingRtp", false},
	cbIncomingRTCP:         {"incomingRtcp", false},
	cbIncomingTextData:     {"incomingTextData", false},
	cbIncomingData:         {"incomingData", false},
	cbIncomingBinaryData:   {"incomingBinaryData", false},
	cbDataReady:            {"dataReady", false},
	cbSlowLink:             {"slowLink", false},
	cbSubstreamChanged:     {"substreamChanged", false},
	cbTemporalLayerChanged: {"temporalLayerChanged", false},
}

// first is the first value that a function has returned, nil if it has returned none.
func first(returned []Value) Value {
	if len(returned) == 0 {
		return nil
	}
	return returned[0]
}

// text is a string that a function has returned, "" if it was something else.
func text(returned []Value) string {
	s, _ := first(returned).(string)
	return s
}
