// Makes every call of janode's AudioBridge plugin, and checks the events that it makes
// of what the server sends. Media is somebody else's: lines of JSON on the standard
// output ask for it, their answers come on the standard input.
//
//   node janode-audiobridge.mjs FOLDER-OF-JANODE WEBSOCKET-URL FOLDER SONG
//
// Recordings go to the folder, in which the song is an Opus file.
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { next, run, step } from './janode-steps.mjs';

const [url, folder, song] = process.argv.slice(3);
const [Janode, AudioBridge] = [await load('janode'), await load('plugins/audiobridge-plugin')];
const { EVENT } = AudioBridge;

await run(async () => {
	const connection = await Janode.connect({ address: { url } });
	const session = await connection.create();
	const attach = () => session.attach(AudioBridge);
	const admin = await attach(), anna = await attach(), bert = await attach();
	const room = 4711, secret = 'sesame';

	await step('create', async () => {
		const made = await admin.create({
			room, description: 'by janode', permanent: false, sampling_rate: 48000, bitrate: 32000, is_private: false, secret, pin: 'pin',
			talking_events: true, talking_level_threshold: 40, talking_packets_threshold: 10, expected_loss: 5, prebuffer: 4,
			allow_rtp: true, groups: ['a', 'b'], denoise: false,
		});
		assert.deepEqual([made.room, made.permanent], [room, false]);
	});
	await step('exists', async () => {
		assert.equal((await admin.exists({ room })).exists, true);
		assert.equal((await admin.exists({ room: 1 })).exists, false);
	});
	await step('list', async () => {
		const r = (await admin.list()).list.find(r => r.room === room);
		assert.deepEqual([r.description, r.sampling_rate, r.pin_required, r.num_participants], ['by janode', 48000, true, 0]);
	});
	await step('allow', async () => {
		assert.deepEqual((await admin.allow({ room, secret, action: 'enable' })).list, []);
		assert.deepEqual((await admin.allow({ room, secret, action: 'add', list: ['x', 'y'] })).list, ['x', 'y']);
		assert.deepEqual((await admin.allow({ room, secret, action: 'remove', list: ['x'] })).list, ['y']);
		await admin.allow({ room, secret, action: 'disable' });
	});

	await step('join', async () => {
		const me = await anna.join({ room, feed: 1, display: 'anna', pin: 'pin', group: 'a', quality: 5, volume: 100 });
		assert.deepEqual([me.room, me.feed, me.participants], [room, 1, []]);
		const comes = next(anna, EVENT.AUDIOBRIDGE_PEER_JOINED);
		const other = await bert.join({ room, feed: 2, display: 'bert', pin: 'pin', group: 'b', muted: true });
		assert.deepEqual(other.participants, [{ feed: 1, display: 'anna', muted: false, setup: false }]);
		assert.deepEqual(await comes, { room, feed: 2, display: 'bert', muted: true, setup: false });
	});
	await step('configure', async () => {
		const up = next(bert, EVENT.AUDIOBRIDGE_PEER_CONFIGURED, d => d.setup);
		const mine = await anna.configure({ muted: false, jsep: { type: 'offer', sdp: await media('offer audio', 'anna') } });
		assert.deepEqual([mine.feed, mine.room, mine.jsep.type], [1, room, 'answer']);
		await media('accept', 'anna', mine.jsep);
		await media('up', 'anna');
		assert.equal((await up).feed, 1);
		const yours = await bert.configure({ jsep: { type: 'offer', sdp: await media('offer audio', 'bert') } });
		await media('accept', 'bert', yours.jsep);
		await media('up', 'bert');
		const changes = next(anna, EVENT.AUDIOBRIDGE_PEER_CONFIGURED, d => d.display === 'bertha');
		const set = await bert.configure({ display: 'bertha', muted: false, quality: 3, bitrate: 24000, volume: 80, expected_loss: 10, prebuffer: 3, group: 'a' });
		assert.deepEqual([set.display, set.muted, set.volume], ['bertha', false, 80]);
		assert.equal((await changes).muted, false);
	});
	await step('listParticipants', async () => {
		const list = (await admin.listParticipants({ room, secret })).participants;
		assert.deepEqual(list.map(p => [p.feed, p.display, p.muted, p.setup]), [[1, 'anna', false, true], [2, 'bertha', false, true]]);
	});
	await step('talking', async () => {
		const told = [true, false].flatMap(talking => [EVENT.AUDIOBRIDGE_PEER_TALKING, EVENT.AUDIOBRIDGE_TALKING].map(
			(event, i) => next(i ? anna : bert, event, d => d.talking === talking)));
		await media('talk', 'anna');
		for (const d of await Promise.all(told)) assert.equal(d.feed, 1);
	});

	await step('mute', async () => {
		const told = [next(anna, EVENT.AUDIOBRIDGE_CONFIGURED, d => d.muted), next(bert, EVENT.AUDIOBRIDGE_PEER_CONFIGURED, d => d.muted)];
		assert.deepEqual(await admin.mute({ room, feed: 1, secret }), { room, feed: 1 });
		for (const d of await Promise.all(told)) assert.equal(d.feed, 1);
		await admin.mute({ room, feed: 1, secret }); // again, which changes nothing
	});
	await step('unmute', async () => {
		const told = next(bert, EVENT.AUDIOBRIDGE_PEER_CONFIGURED, d => d.muted === false);
		await admin.unmute({ room, feed: 1, secret });
		assert.equal((await told).feed, 1);
	});
	for (const muted of [true, false]) await step(muted ? 'muteRoom' : 'unmuteRoom', async () => {
		const told = [anna, bert].map(h => next(h, EVENT.AUDIOBRIDGE_ROOM_MUTED));
		if (muted) await admin.message({ request: 'mute_room', room, secret }); // janode's own asks to unmute
		else await admin.unmuteRoom({ room, secret });
		for (const d of await Promise.all(told)) assert.equal(d.muted, muted);
	});
	await step('suspend', async () => {
		const told = [next(bert, EVENT.AUDIOBRIDGE_SUSPENDED), next(anna, EVENT.AUDIOBRIDGE_PEER_SUSPENDED)];
		await admin.suspend({ room, feed: 2, secret, pause_events: true, stop_record: true });
		for (const d of await Promise.all(told)) assert.equal(d.feed, 2);
	});
	await step('resume', async () => {
		const told = [next(bert, EVENT.AUDIOBRIDGE_RESUMED, d => d.participants), next(anna, EVENT.AUDIOBRIDGE_PEER_RESUMED)];
		await admin.resume({ room, feed: 2, secret });
		const [recap, other] = await Promise.all(told);
		assert.deepEqual([recap.participants.map(p => p.feed), other.feed], [[1], 2]);
	});

	await step('startForward, listForward, stopForward', async () => {
		const { forwarder } = await admin.startForward({
			room, secret, host: '127.0.0.1', host_family: 'ipv4', audio_port: 9, ssrc: 77, ptype: 111, codec: 'opus', group: 'a', always: true });
		const { audio_stream } = forwarder;
		assert.deepEqual(forwarder, { host: '127.0.0.1', audio_port: 9, audio_stream, group: 'a' });
		assert.deepEqual((await admin.listForward({ room, secret })).forwarders,
			[{ host: '127.0.0.1', audio_port: 9, audio_stream, always: true, group: 'a' }]);
		assert.equal((await admin.stopForward({ room, secret, stream: audio_stream })).forwarder.audio_stream, audio_stream);
		assert.deepEqual((await admin.listForward({ room, secret })).forwarders, []);
	});
	await step('enableRecording', async () => {
		const on = await admin.enableRecording({ room, secret, record: true, filename: 'mix.wav', rec_dir: folder });
		assert.deepEqual([on.record, on.room], [true, room]);
		assert.equal((await admin.enableRecording({ room, secret, record: false })).record, false);
	});
	await step('playFile, isPlaying, listAnnouncements, stopFile', async () => {
		const begins = next(anna, EVENT.AUDIOBRIDGE_ANNOUNCEMENT_STARTED), ends = next(anna, EVENT.AUDIOBRIDGE_ANNOUNCEMENT_STOPPED);
		const { file_id } = await admin.playFile({ room, secret, group: 'a', file_id: 'song', filename: song, loop: true });
		assert.equal(file_id, 'song');
		assert.equal((await begins).file_id, file_id);
		assert.equal((await admin.isPlaying({ room, secret, file_id })).playing, true);
		assert.deepEqual((await admin.listAnnouncements({ room, secret })).announcements, [{ file_id, filename: song, playing: true, loop: true }]);
		assert.equal((await admin.stopFile({ room, secret, file_id })).file_id, file_id);
		assert.equal((await ends).file_id, file_id);
		assert.equal((await admin.isPlaying({ room, secret, file_id })).playing, false);
	});
	await step('stopAllFiles', async () => {
		const begins = next(bert, EVENT.AUDIOBRIDGE_ANNOUNCEMENT_STARTED);
		const { file_id } = await admin.playFile({ room, secret, group: 'b', filename: song, loop: true });
		await begins;
		assert.deepEqual((await admin.stopAllFiles({ room, secret })).file_id_list, [file_id]);
	});
	await step('join by plain RTP', async () => {
		const caller = await attach();
		const me = await caller.join({ room, feed: 3, pin: 'pin', group: 'a', codec: 'pcmu', rtp_participant: { ip: '127.0.0.1', port: 9 } });
		assert.ok(me.rtp_participant.port > 0);
		assert.equal(me.rtp_participant.payload_type, 0);
		assert.equal((await caller.leave()).feed, 3);
	});
	await step('join with generate_offer', async () => {
		const caller = await attach();
		const me = await caller.join({ room, feed: 4, pin: 'pin', group: 'a', generate_offer: true });
		assert.equal(me.jsep.type, 'offer');
		const up = next(anna, EVENT.AUDIOBRIDGE_PEER_CONFIGURED, d => d.feed === 4 && d.setup);
		await caller.configure({ jsep: { type: 'answer', sdp: await media('answer', 'caller', me.jsep) } });
		await media('up', 'caller');
		await up;
		await caller.detach();
	});

	await step('leave', async () => {
		const goes = next(anna, EVENT.AUDIOBRIDGE_PEER_LEAVING, d => d.feed === 2);
		assert.equal((await bert.leave()).feed, 2);
		await goes;
		await bert.join({ room, feed: 2, display: 'bert', pin: 'pin', group: 'b' });
	});
	await step('audioHangup', async () => {
		const goes = next(anna, EVENT.AUDIOBRIDGE_PEER_LEAVING, d => d.feed === 2);
		assert.equal((await bert.audioHangup()).feed, 2);
		await goes;
	});
	await step('kick', async () => {
		await bert.join({ room, feed: 5, pin: 'pin', group: 'b' });
		const told = [next(anna, EVENT.AUDIOBRIDGE_KICKED), next(bert, EVENT.AUDIOBRIDGE_PEER_KICKED)];
		assert.deepEqual(await admin.kick({ room, feed: 1, secret }), { room, feed: 1 });
		for (const d of await Promise.all(told)) assert.equal(d.feed, 1);
	});
	await step('destroy', async () => {
		await assert.rejects(admin.destroy({ room, secret: 'wrong' }), /489/);
		const told = next(bert, EVENT.AUDIOBRIDGE_DESTROYED);
		assert.equal((await admin.destroy({ room, secret })).room, room);
		assert.equal((await told).room, room);
	});
	await step('errors', async () => {
		await assert.rejects(bert.join({ room }), /485/);
		await assert.rejects(admin.configure({ muted: true }), /487/);
	});
	await connection.close();
});
