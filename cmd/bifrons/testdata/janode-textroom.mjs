// Makes every call of janode's TextRoom plugin. Media is somebody else's: lines of
// JSON on the standard output ask for it, their answers come on the standard input.
//
//   node janode-textroom.mjs FOLDER-OF-JANODE WEBSOCKET-URL
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { passed, run } from './janode-steps.mjs';

const url = process.argv[3];
const [Janode, TextRoom] = [await load('janode'), await load('plugins/textroom-plugin')];

await run(async () => {
	const connection = await Janode.connect({ address: { url } });
	const session = await connection.create();
	const admin = await session.attach(TextRoom), client = await session.attach(TextRoom);
	const secret = 'sesame', room = 4711;

	const made = await admin.create({ room, description: 'by janode', secret, pin: 'pin', is_private: false, history: 3, permanent: false });
	assert.deepEqual([made.room, made.permanent], [room, false]);
	passed.push('create');
	assert.ok((await admin.list({})).list.some(r => r.room === room && r.description === 'by janode' && r.pin_required && r.history === 3));
	passed.push('list');
	assert.equal((await admin.exists({ room })).exists, true);
	assert.equal((await admin.exists({ room: 1 })).exists, false);
	passed.push('exists');

	const offer = await client.setup();
	assert.equal(offer.jsep.type, 'offer');
	passed.push('setup');
	await client.ack({ type: 'answer', sdp: await media('answer', 'client', offer.jsep) });
	passed.push('ack');
	await media('up', 'client');
	await media('say', 'client', { sdp: JSON.stringify({ textroom: 'join', transaction: 't', room, pin: 'pin', username: 'u', display: 'U' }) });
	assert.deepEqual((await admin.listParticipants({ room })).participants, [{ username: 'u', display: 'U' }]);
	passed.push('listParticipants');
	const again = await client.restart();
	assert.equal(again.jsep.type, 'offer');
	await client.ack({ type: 'answer', sdp: await media('answer', 'client', again.jsep) });
	passed.push('restart');

	await admin.announcement({ room, secret, text: 'hear' });
	assert.equal(JSON.parse(await media('hear', 'client', { sdp: '"announcement"' })).text, 'hear');
	passed.push('announcement');
	assert.deepEqual((await admin.allow({ room, secret, action: 'enable' })).list, []);
	assert.deepEqual((await admin.allow({ room, secret, action: 'add', list: ['a', 'b'] })).list, ['a', 'b']);
	assert.deepEqual((await admin.allow({ room, secret, action: 'remove', list: ['a'] })).list, ['b']);
	await admin.allow({ room, secret, action: 'disable' });
	passed.push('allow');
	assert.equal((await admin.kick({ room, secret, username: 'u' })).username, 'u');
	assert.equal(JSON.parse(await media('hear', 'client', { sdp: '"kicked"' })).username, 'u');
	passed.push('kick');
	await assert.rejects(admin.destroy({ room, secret: 'wrong' }), /unexpected response/); // all that janode makes of it
	assert.equal((await admin.destroy({ room, secret })).room, room);
	passed.push('destroy');
	await assert.rejects(admin.message({ request: 'join', room }), /415/);
	passed.push('errors');
	await connection.close();
});
