// An intercom: one talks, all others listen.

var sdp = require("janus-sdp");

var talker = null;  // id of the session that talks
var listeners = {}; // by id

function init(config) {}
function destroy() {}
function resumeScheduler() {}
function createSession(id) {}

function querySession(id) {
	return JSON.stringify({ talks: talker === id, listens: listeners[id] === true });
}

function talk(id, transaction, jsep) {
	if (talker !== null) throw new Error("somebody talks already");
	if (!jsep) throw new Error("talk with an offer");
	talker = id;
	var answer = sdp.generateAnswer(sdp.parse(JSON.parse(jsep).sdp), { data: false });
	pushEvent(id, transaction, JSON.stringify({ intercom: "talking" }),
		JSON.stringify({ type: "answer", sdp: sdp.render(answer) }));
	return 1;
}

function listen(id, transaction) {
	listeners[id] = true;
	var offer = sdp.generateOffer({ audio: true, audioDir: "sendonly", video: false });
	pushEvent(id, transaction, JSON.stringify({ intercom: "listening" }),
		JSON.stringify({ type: "offer", sdp: sdp.render(offer) }));
	return 1;
}

function handleMessage(id, transaction, message, jsep) {
	var request = JSON.parse(message).request;
	switch (request) {
	case "talk": return talk(id, transaction, jsep);
	case "listen": return listen(id, transaction);
	case "start": return JSON.stringify({ intercom: "started" }); // has the listener's answer
	case "status": return JSON.stringify({ intercom: "status", busy: talker !== null });
	}
	throw new Error("there is no request " + request);
}

// Media may flow. What is set here lasts until the hangup.
function setupMedia(id) {
	if (id === talker) {
		configureMedium(id, "audio", "out", true);
		Object.keys(listeners).forEach(function (listener) { addRecipient(id, Number(listener)); });
	} else if (listeners[id]) {
		configureMedium(id, "audio", "in", true);
		if (talker !== null) addRecipient(talker, id);
	}
}

function hangupMedia(id) {
	if (talker === id) talker = null;
	delete listeners[id];
}

var destroySession = hangupMedia;
