// Makes every call of janode's SIP plugin, and requests that it has none for: two telephones at a registrar. Media is
// somebody else's: lines of JSON on the standard output ask for it, their answers come on the standard input.
//
//   node janode-sip.mjs FOLDER-OF-JANODE WEBSOCKET-URL REGISTRAR REALM PASSWORD
import assert from 'node:assert/strict';
import { load } from './janode-load.mjs';
import { media } from './janode-media.mjs';
import { next, passed, run, step } from './janode-steps.mjs';

const [url, registrar, realm, secret] = process.argv.slice(3);
const [Janode, SIP] = [await load('janode'), await load('plugins/sip-plugin')];
const { EVENT } = SIP;

await run(async () => {
	const connection = await Janode.connect({ address: { url } });
	const session = await connection.create();
	const anna = await session.attach(SIP), bert = await session.attach(SIP);
	const uri = name => `sip:${name}@${realm}`, proxy = `sip:${registrar}`;

	await step('registration failed', () => assert.rejects(anna.register({ username: uri('anna'), secret: 'wrong', proxy }), /40[13]/));
	await step('register', async () => {
		const registering = next(anna, EVENT.SIP_REGISTERING);
		const r = await anna.register({ username: uri('anna'), secret, proxy, register_ttl: 300, display_name: 'Anna' });
		assert.deepEqual([r.username, r.register_sent], [uri('anna'), true]);
		await registering;
		assert.equal((await bert.register({ username: uri('bert'), secret, proxy, force_tcp: true })).register_sent, true);
	});

	// call has one handle call another, by peers that are new each time.
	let n = 0;
	const call = async (from, to, name, more) => {
		const [caller, callee] = [`caller${++n}`, `callee${n}`];
		const offer = { type: 'offer', sdp: await media('offer', caller) };
		const events = [EVENT.SIP_CALLING, EVENT.SIP_RINGING, EVENT.SIP_PROCEEDING].map(e => next(from, e)), incoming = next(to, EVENT.SIP_INCOMING);
		const answered = from.call({ uri: uri(name), jsep: offer, ...more });
		answered.catch(() => {}); // until it is looked at
		const invited = await incoming;
		await Promise.all(events);
		return { caller, callee, answered, invited };
	};
	const accept = async (to, c) => {
		const answer = { type: 'answer', sdp: await media('answer', c.callee, c.invited.jsep) };
		const accepted = await to.accept({ jsep: answer });
		const answered = await c.answered;
		await media('accept', c.caller, answered.jsep);
		await Promise.all([media('up', c.caller), media('up', c.callee)]);
		return { accepted, answered };
	};
	// ask sends a request that janode has no call for. It rejects what it does not know, when that has come.
	const ask = (handle, body) => assert.rejects(handle.message(body), /unmanaged event/);
	const ended = h => next(h, EVENT.SIP_HANGUP);

	const first = await step('call', () => call(anna, bert, 'bert', { call_id: 'by-janode' }));
	assert.deepEqual([first.invited.call_id, first.invited.username, first.invited.display_name], ['by-janode', uri('anna'), '"Anna"']);
	await step('accept', async () => {
		const { accepted, answered } = await accept(bert, first);
		assert.equal(accepted.username, uri('anna'));
		assert.deepEqual([answered.username, answered.call_id], [uri('bert'), 'by-janode']);
	});
	await step('info', async () => {
		const info = next(bert, EVENT.SIP_INFO);
		await ask(anna, { request: 'dtmf_info', digit: '5' });
		assert.deepEqual([(await info).type, (await info).content], ['application/dtmf-relay', 'Signal=5\r\nDuration=160']);
	});
	await step('hold', async () => {
		await ask(anna, { request: 'hold' });
		await ask(anna, { request: 'unhold' });
	});
	await step('hangup', async () => {
		const both = [ended(anna), ended(bert)];
		assert.equal((await anna.sip_hangup()).call_id, 'by-janode');
		await Promise.all(both);
	});

	await step('decline', async () => {
		const c = await call(bert, anna, 'anna');
		await anna.decline();
		await assert.rejects(c.answered, /^Error: 603/);
	});
	await step('missed call', async () => {
		const c = await call(bert, anna, 'anna'), third = await session.attach(SIP);
		await third.register({ username: uri('cleo'), secret, proxy });
		const missed = next(anna, EVENT.SIP_MISSED);
		await assert.rejects(third.call({ uri: uri('anna'), jsep: { type: 'offer', sdp: await media('offer', 'third') } }), /^Error: 486/);
		assert.equal((await missed).caller, uri('cleo'));
		await accept(anna, c);
		const both = [ended(anna), ended(bert)];
		await anna.sip_hangup();
		await Promise.all(both);
		await third.detach();
	});
	await step('errors', () => assert.rejects(anna.call({ uri: 'nobody', jsep: { type: 'offer', sdp: 'v=0\r\n' } }), /446|465/));
	await connection.close();
});
