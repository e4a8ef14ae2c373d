// Where picture and sound come from: camera and microphone, or what can be had.

const texts = {
  insecure: ["No camera on this address.", "Browsers give camera and microphone only to pages from https:// or localhost. A test picture is sent instead."],
  NotAllowedError: ["Camera and microphone are not allowed.", "Allow them for this page in the browser's address bar, then start again. Until then a test picture is sent."],
  NotFoundError: ["No camera or microphone found.", "A test picture is sent instead."],
  NotReadableError: ["The camera is in use by another program.", "Close that program and start again. Until then a test picture is sent."],
};

// capture returns {stream, kind, close}, with kind "camera", "audio" or
// "pattern". notice is told what is missing.
export async function capture(notice) {
  if (!navigator.mediaDevices?.getUserMedia) return fallBack(notice, "insecure");
  const picture = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  try {
    return real(await navigator.mediaDevices.getUserMedia({ audio: true, video: picture }), "camera");
  } catch (e) {
    if (e.name !== "NotFoundError" && e.name !== "NotReadableError") return fallBack(notice, e.name);
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      notice("No camera.", "Only sound is sent, with a test picture.");
      const pattern = testPicture();
      stream.addTrack(pattern.stream.getVideoTracks()[0]);
      return { ...real(stream, "audio"), close() { stop(stream); pattern.close(); } };
    } catch {
      return fallBack(notice, e.name);
    }
  }
}

function fallBack(notice, why) {
  notice(...(texts[why] ?? ["Camera and microphone cannot be used.", `The browser says ${why}. A test picture is sent instead.`]));
  const picture = testPicture(), tone = testTone();
  for (const t of tone.stream.getTracks()) picture.stream.addTrack(t);
  return { stream: picture.stream, kind: "pattern", close() { picture.close(); tone.close(); } };
}

const stop = stream => stream.getTracks().forEach(t => t.stop());
const real = (stream, kind) => ({ stream, kind, close: () => stop(stream) });

// testPicture is a moving pattern with a clock.
function testPicture() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const g = canvas.getContext("2d");
  const begin = performance.now();
  const draw = () => {
    const t = (performance.now() - begin) / 1000;
    g.fillStyle = "#10201e";
    g.fillRect(0, 0, 1280, 720);
    for (let i = 0; i < 8; i++) {
      g.fillStyle = `hsl(${160 + i * 22 + t * 20} 55% 48%)`;
      g.fillRect(i * 160, 470 + Math.sin(t * 2 + i * .8) * 90, 160, 400);
    }
    g.fillStyle = "#fff";
    g.beginPath();
    g.arc(640 + Math.cos(t * 1.5) * 420, 250 + Math.sin(t * 3) * 60, 34, 0, 7);
    g.fill();
    g.font = "600 110px ui-monospace, monospace";
    g.textAlign = "center";
    g.fillText(new Date().toISOString().slice(11, 23), 640, 290);
  };
  draw();
  const timer = setInterval(draw, 1000 / 30);
  const stream = canvas.captureStream(30);
  return { stream, close() { clearInterval(timer); stop(stream); } };
}

// testTone is a quiet beep each second.
function testTone() {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 440 });
  const volume = new GainNode(context, { gain: 0 });
  const out = context.createMediaStreamDestination();
  tone.connect(volume).connect(out);
  tone.start();
  context.resume();
  const timer = setInterval(() => {
    volume.gain.setValueAtTime(.12, context.currentTime);
    volume.gain.setTargetAtTime(0, context.currentTime + .12, .03);
  }, 1000);
  return { stream: out.stream, close() { clearInterval(timer); stop(out.stream); context.close(); } };
}
