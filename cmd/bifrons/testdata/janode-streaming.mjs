// Makes every call of janode's Streaming plugin but those for recording and
// creating by file. Media is somebody else's: lines of JSON on the standard output
// ask for it, their answers come on the standard input.
//
//   node janode-streaming.mjs FOLDER-OF-JANODE WEBSOCKET-URL
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { passed, run } from './janode-steps.mjs';

const url = process.argv[3];
const [Janode, Streaming] = [await load('janode'), await load('plugins/streaming-plugin')];

await run(async () => {
	const connection = await Janode.connect({ address: { url } });
	const session = await connection.create();
	const admin = await session.attach(Streaming), viewer = await session.attach(Streaming);
	const secret = 'sesame';

	const made = await admin.createRtpMountpoint({
		name: 'janode', description: 'by janode', secret, pin: 'pin', metadata: 'meta', threads: 2,
		audio: { port: 0, pt: 111, rtpmap: 'opus/48000/2', skew: true },
		video: { port: 0, pt: 100, rtpmap: 'VP8/90000', fmtp: 'x=1', buffer: true, port2: 0, port3: 0 },
		data: { port: 0, buffer: true },
	});
	const { id } = made;
	assert.ok(id > 0);
	for (const name of ['audio_port', 'video_port', 'video_port_2', 'video_port_3', 'data_port']) assert.ok(made[name] > 0, name);
	passed.push('createRtpMountpoint');

	const other = (await admin.createRtpMountpoint({ media: [{ type: 'audio', mid: 'a', port: 0, pt: 111, codec: 'opus' }] })).id;
	assert.ok((await admin.list()).list.some(m => m.id === id && m.media.length === 3));
	passed.push('list');
	assert.equal((await admin.info({ id, secret })).pin, 'pin');
	passed.push('info');

	const started = new Promise(resolve => viewer.on(Streaming.EVENT.STREAMING_STATUS, data => { if (data.status === 'started') resolve(); }));
	const offer = await viewer.watch({ id, pin: 'pin', audio: true, video: true, data: false });
	assert.equal(offer.jsep.type, 'offer');
	passed.push('watch');
	const answer = { type: 'answer', sdp: await media('answer', 'viewer', offer.jsep) };
	assert.ok(['starting', 'started'].includes((await viewer.start({ jsep: answer })).status));
	passed.push('start');
	await media('up', 'viewer');
	await started;
	assert.equal((await viewer.pause()).status, 'pausing');
	passed.push('pause');
	await viewer.message({ request: 'start' }); // janode's own has to have an answer
	await viewer.configure({ audio: false, video: true, substream: 1, temporal: 2, fallback: 500000, spatial_layer: 1, temporal_layer: 1 });
	passed.push('configure');
	const again = await viewer.watch({ id, pin: 'pin', restart: true });
	assert.equal(again.restart, true);
	await viewer.start({ jsep: { type: 'answer', sdp: await media('answer', 'viewer', again.jsep) } });
	passed.push('restart');
	assert.equal((await viewer.switch({ id: other })).switched, 'ok');
	passed.push('switch');
	await admin.disable({ id, secret });
	passed.push('disable');
	await admin.enable({ id, secret });
	passed.push('enable');
	assert.equal((await viewer.stop()).status, 'stopping');
	passed.push('stop');
	assert.equal((await admin.destroyMountpoint({ id, secret })).id, id);
	await admin.destroyMountpoint({ id: other });
	passed.push('destroyMountpoint');
	await assert.rejects(admin.info({ id }), /455/);
	passed.push('errors');
	await connection.close();
});
