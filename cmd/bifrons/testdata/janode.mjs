// Drives every VideoRoom call of janode, and checks the events that it makes of
// what the server sends. Media is somebody else's: lines of JSON on the standard
// output ask for it, their answers come on the standard input.
//
//   node janode.mjs FOLDER-OF-JANODE WEBSOCKET-URL
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { next, run, step } from './janode-steps.mjs';

const url = process.argv[3];
const [Janode, VideoRoom] = [await load('janode'), await load('plugins/videoroom-plugin')];
const { EVENT } = VideoRoom;

const sleep = ms => new Promise(done => setTimeout(done, ms));

// What can be asked of the other side.
const offer = async peer => ({ type: 'offer', sdp: await media('offer', peer) });
const accept = (peer, jsep) => media('accept', peer, jsep);
const answer = async (peer, jsep) => ({ type: 'answer', sdp: await media('answer', peer, jsep) });
const up = peer => media('up', peer);

await run(async () => {
	const connection = await Janode.connect({ address: { url } });
	const session = await connection.create();
	const attach = () => session.attach(VideoRoom);
	const admin = await attach(), room = 4711, secret = 'sesame';

	// Rooms.
	await step('create', async () => {
		const r = await admin.create({
			room, description: 'janode', max_publishers: 3, is_private: false, secret, pin: '1234', bitrate: 512000, bitrate_cap: true,
			fir_freq: 10, audiocodec: 'opus', videocodec: 'vp8', talking_events: true, talking_level_threshold: 30,
			talking_packets_threshold: 20, require_pvtid: false, notify_joining: true, record: false, videoorient: true, threads: 0,
			permanent: false,
		});
		assert.deepEqual([r.room, r.permanent], [room, false]);
	});
	await step('exists', async () => assert.equal((await admin.exists({ room })).exists, true));
	await step('list', async () => assert.ok((await admin.list()).list.some(r => r.room === room && r.pin_required)));
	await step('allow', async () => {
		assert.deepEqual((await admin.allow({ room, secret, action: 'add', list: ['t1', 't2'] })).list, ['t1', 't2']);
		assert.deepEqual((await admin.allow({ room, secret, action: 'enable' })).list, ['t1', 't2']);
		assert.deepEqual((await admin.allow({ room, secret, action: 'remove', list: ['t2'] })).list, ['t1']);
	});
	await step('errors', async () => {
		await assert.rejects(admin.create({ room }), { _code: 427 });
		await assert.rejects(admin.kick({ room, feed: 1, secret: 'wrong' }), { _code: 433 });
		await assert.rejects((await attach()).joinPublisher({ room, token: 't1' }), { _code: 429 });
		await assert.rejects((await attach()).joinPublisher({ room, pin: '1234', token: 'no' }), { _code: 433 });
	});

	// Publishers.
	const anna = await attach(), bert = await attach();
	const join = { room, pin: '1234', token: 't1' };
	await step('joinPublisher', async () => {
		const r = await anna.joinPublisher({ ...join, feed: 10, display: 'anna', audio: true, video: true, bitrate: 128000, record: false });
		assert.deepEqual([r.feed, r.display, r.description, r.publishers], [10, 'anna', 'janode', []]);
		assert.ok(r.private_id > 0);
	});
	const listed = next(anna, EVENT.VIDEOROOM_PUB_LIST), entered = next(anna, EVENT.VIDEOROOM_PUB_PEER_JOINED);
	await step('joinConfigurePublisher', async () => {
		const jsep = await offer('bert');
		const r = await bert.joinConfigurePublisher({
			...join, feed: 20, display: 'bert', audio: true, video: true, descriptions: [{ mid: '0', description: 'mike' }], jsep,
		});
		assert.equal(r.feed, 20);
		await accept('bert', r.jsep);
		await up('bert');
	});
	await step('events of another publisher', async () => {
		assert.deepEqual([(await entered).feed, (await entered).display], [20, 'bert']);
		const [p] = (await listed).publishers;
		assert.deepEqual([p.feed, p.display, p.audiocodec, p.videocodec, p.streams.length], [20, 'bert', 'opus', 'vp8', 2]);
		assert.equal(p.streams[0].description, 'mike');
	});
	await step('publish', async () => {
		const r = await anna.publish({ audio: true, video: true, display: 'anna', bitrate: 200000, jsep: await offer('anna') });
		assert.equal(r.configured, 'ok');
		await accept('anna', r.jsep);
		await up('anna');
	});
	await step('publish again', async () => {
		// Until the server hears that the connection is up as well, it is a configure.
		for (let i = 0; i < 50 && await anna.publish({}).then(() => true, () => false); i++) await sleep(100);
		await assert.rejects(anna.publish({}), { _code: 434 });
	});
	await step('configure', async () => {
		const named = next(bert, EVENT.VIDEOROOM_DISPLAY);
		const r = await anna.configure({ bitrate: 300000, display: 'Anna', keyframe: true, streams: [{ mid: '1', send: true }] });
		assert.deepEqual([r.configured, r.feed], ['ok', 10]);
		assert.deepEqual([(await named).feed, (await named).display], [10, 'Anna']);
		await anna.configure({ audio: false });
		await anna.configure({ audio: true, descriptions: [{ mid: '1', description: 'camera' }] });
		const again = await anna.configure({ restart: true, update: true, jsep: await offer('anna') });
		await accept('anna', again.jsep);
	});
	await step('listParticipants', async () => {
		const r = await admin.listParticipants({ room, secret });
		const names = r.participants.map(p => [p.feed, p.display, p.publisher]);
		assert.deepEqual(names.sort(), [[10, 'Anna', true], [20, 'bert', true]]);
	});

	// Subscribers.
	const one = await attach(), many = await attach();
	await step('joinSubscriber by feed', async () => {
		const r = await one.joinSubscriber({
			room, pin: '1234', feed: 10, offer_audio: true, offer_video: true, offer_data: false, sc_substream_layer: 2,
			sc_substream_fallback_ms: 500, sc_temporal_layers: 2, use_msid: true, autoupdate: true,
		});
		assert.deepEqual([r.feed, r.display, r.streams.length], [10, 'Anna', 2]);
		const s = await one.start({ jsep: await answer('one', r.jsep) });
		assert.equal(s.started, 'ok');
		await up('one');
	});
	await step('joinSubscriber by streams', async () => {
		const r = await many.joinSubscriber({ room, pin: '1234', streams: [{ feed: 10 }, { feed: 20, mid: '0' }] });
		assert.deepEqual(r.streams.map(s => [s.feed_id, s.feed_mid, s.type]), [[10, '0', 'audio'], [10, '1', 'video'], [20, '0', 'audio']]);
		await many.start({ jsep: await answer('many', r.jsep) });
		await up('many');
	});
	await step('pause and start', async () => {
		assert.equal((await one.pause()).paused, 'ok');
		assert.equal((await one.start({})).started, 'ok');
	});
	await step('configure of a subscriber', async () => {
		await one.configure({ streams: [{ mid: '1', send: false }] });
		await one.configure({ video: true });
		await one.configure({ sc_substream_layer: 1, sc_substream_fallback_ms: 300, sc_temporal_layers: 1 });
		const r = await one.configure({ restart: true });
		assert.equal(r.jsep.type, 'offer');
		await one.start({ jsep: await answer('one', r.jsep) });
	});
	await step('switch', async () => {
		const r = await many.switch({ streams: [{ feed: 20, mid: '1', sub_mid: '1' }] });
		assert.deepEqual([r.switched, r.streams[1].feed_id], ['ok', 20]);
		assert.equal((await one.switch({ to_feed: 20 })).streams[0].feed_id, 20);
	});
	await step('update', async () => {
		const r = await many.update({ subscribe: [{ feed: 10, mid: '1' }], unsubscribe: [{ feed: 20, mid: '0' }] });
		assert.deepEqual(r.streams.map(s => s.active), [true, true, false, true]);
		const waits = await many.update({ subscribe: [{ feed: 20, mid: '0' }] });
		assert.equal(waits.jsep, undefined);
		const cumulative = next(many, EVENT.VIDEOROOM_UPDATED);
		await many.start({ jsep: await answer('many', r.jsep) });
		const c = await cumulative;
		assert.deepEqual(c.streams.map(s => s.active), [true, true, true, true]);
		await many.start({ jsep: await answer('many', c.jsep) });
		assert.equal((await many.update({ unsubscribe: [{ feed: 999 }] })).streams, undefined);
	});

	// Forwarders.
	await step('startForward, listForward, stopForward', async () => {
		const target = { room, secret, feed: 10, host: '127.0.0.1' };
		const { forwarders } = await admin.startForward({ ...target, streams: [{ mid: '0', port: 40000, pt: 100 }, { mid: '1', port: 40002, ssrc: 7 }] });
		assert.deepEqual(forwarders.map(f => [f.audio_port ?? f.video_port, f.pt ?? f.ssrc]), [[40000, 100], [40002, 7]]);
		const { forwarder } = await admin.startForward({ ...target, audio_port: 40004, video_port: 40006 });
		assert.deepEqual([forwarder.audio_port, forwarder.video_port], [40004, 40006]);
		const list = await admin.listForward({ room, secret });
		assert.deepEqual(list.forwarders.map(p => [p.feed, p.forwarders.length]), [[10, 4]]);
		for (const stream of [forwarders[0].audio_stream, forwarders[1].video_stream, forwarder.audio_stream, forwarder.video_stream]) {
			assert.equal((await admin.stopForward({ room, secret, feed: 10, stream })).stream, stream);
		}
		assert.deepEqual((await admin.listForward({ room, secret })).forwarders, []);
	});
	await step('enable_recording', async () => {
		assert.equal((await admin.enable_recording({ room, secret, record: false })).record, false);
	});

	// The end.
	await step('unpublish', async () => {
		const gone = next(bert, EVENT.VIDEOROOM_UNPUBLISHED), offered = next(many, EVENT.VIDEOROOM_UPDATED, u => !!u.jsep);
		const down = next(anna, 'handle_hangup');
		assert.equal((await anna.unpublish()).feed, 10);
		assert.equal((await gone).feed, 10);
		await down;
		await many.start({ jsep: await answer('many', (await offered).jsep) });
		await assert.rejects(anna.unpublish(), { _code: 435 });
	});
	await step('leave', async () => {
		const gone = next(bert, EVENT.VIDEOROOM_LEAVING);
		assert.equal((await anna.leave()).feed, 10);
		assert.equal((await gone).feed, 10);
		await one.leave();
	});
	await step('kick', async () => {
		const other = await attach();
		await other.joinPublisher({ ...join, display: 'cleo' });
		const told = next(bert, EVENT.VIDEOROOM_LEAVING);
		// With a display name janode takes the event of a kick for a new name.
		const seen = Promise.race([next(other, EVENT.VIDEOROOM_KICKED), next(other, EVENT.VIDEOROOM_DISPLAY)]);
		assert.equal((await admin.kick({ room, feed: 20, secret })).feed, 20);
		assert.equal((await told).reason, 'kicked');
		await seen;
		const ended = next(other, EVENT.VIDEOROOM_DESTROYED);
		await step('destroy', async () => assert.equal((await admin.destroy({ room, secret, permanent: false })).room, room));
		assert.equal((await ended).room, room);
	});
	await step('detach', async () => {
		for (const h of [anna, bert, one, many, admin]) await h.detach();
	});
	await session.destroy();
	await connection.close();
});
