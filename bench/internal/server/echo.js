var sdp = require("janus-sdp");

function init(config) {}
function destroy() {}
function resumeScheduler() {}
function createSession(id) {}
function destroySession(id) {}
function querySession(id) { return "{}"; }
function hangupMedia(id) {}

function handleMessage(id, transaction, message, jsep) {
	if (!jsep) return '{"echotest":"response","result":"ok"}';
	var answer = sdp.generateAnswer(sdp.parse(JSON.parse(jsep).sdp));
	pushEvent(id, transaction, '{"echotest":"event","result":"ok"}', JSON.stringify({ type: "answer", sdp: sdp.render(answer) }));
	return 1;
}

function setupMedia(id) {
	["audio", "video", "data"].forEach(function (medium) {
		configureMedium(id, medium, "in", true);
		configureMedium(id, medium, "out", true);
	});
	addRecipient(id, id);
}
