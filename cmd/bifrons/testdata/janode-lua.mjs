// Has janode's VideoRoom plugin talk to videoroom.lua, which is attached as
// janus.plugin.lua and knows the older requests: one feed a subscriber.
//
//   node janode-lua.mjs FOLDER-OF-JANODE WEBSOCKET-URL
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { next, run, step } from './janode-steps.mjs';

const [Janode, VideoRoom] = [await load('janode'), await load('plugins/videoroom-plugin')];
const { EVENT } = VideoRoom;

await run(async () => {
	const connection = await Janode.connect({ address: { url: process.argv[3] } });
	const session = await connection.create();
	const attach = () => session.attach({ ...VideoRoom, id: 'janus.plugin.lua' });
	const [admin, anna, bert, carl] = [await attach(), await attach(), await attach(), await attach()];
	const room = 4711;

	await step('create', async () => assert.equal((await admin.create({ room, description: 'lua', max_publishers: 3 })).room, room));
	await step('exists', async () => assert.equal((await admin.exists({ room })).exists, true));
	const a = await step('joinPublisher', () => anna.joinPublisher({ room, display: 'anna' }));
	await step('joinPublisher again', () => bert.joinPublisher({ room, display: 'bert' }));
	const listed = next(bert, EVENT.VIDEOROOM_PUB_LIST);
	await step('configure with an offer', async () => {
		const r = await anna.configure({ audio: true, video: true, jsep: { type: 'offer', sdp: await media('offer', 'anna') } });
		assert.equal(r.configured, 'ok');
		await media('accept', 'anna', r.jsep);
		await media('up', 'anna');
	});
	await step('a feed is announced', async () => {
		const [p] = (await listed).publishers;
		assert.deepEqual([p.feed, p.display], [a.feed, 'anna']);
	});
	await step('listParticipants', async () => {
		const list = (await admin.listParticipants({ room })).participants;
		assert.deepEqual(list.map(p => [p.feed, p.display]), [[a.feed, 'anna']]); // only who publishes
	});
	await step('joinSubscriber and start', async () => {
		const r = await carl.joinSubscriber({ room, feed: a.feed });
		assert.equal(r.feed, a.feed);
		const jsep = { type: 'answer', sdp: await media('answer', 'carl', r.jsep) };
		assert.equal((await carl.start({ jsep })).started, 'ok');
		await media('up', 'carl');
	});
	const unpublished = next(bert, EVENT.VIDEOROOM_UNPUBLISHED, e => e.feed === a.feed);
	await step('unpublish', async () => {
		await anna.unpublish();
		await unpublished;
	});
	await step('leave', () => anna.leave());
	await step('destroy', async () => assert.equal((await admin.destroy({ room })).room, room));
	await connection.close();
});
