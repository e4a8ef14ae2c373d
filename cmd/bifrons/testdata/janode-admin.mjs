// Makes every call of the Admin API that janode knows, and prints what it gets.
// Arguments: the folder of janode, the addresses of the Admin API and of the
// Janus API, the secret, a folder for a capture.
import { load } from './janode-load.mjs';

const [admin, api, secret, captures] = process.argv.slice(3);
const [Janode, EchoTest] = [await load('janode'), await load('plugins/echotest-plugin')];

const connection = await Janode.connect({ is_admin: true, address: { url: admin, apisecret: secret } });
const client = await Janode.connect({ address: { url: api } });
const session = await client.create();
const handle = await session.attach(EchoTest);

const out = { session: session.id, handle: handle.id };
out.info = (await connection.getInfo()).version;
out.sessions = (await connection.listSessions()).sessions;
out.handles = (await connection.listHandles(session.id)).handles;
out.plugin = (await connection.handleInfo(session.id, handle.id)).info.plugin;
await connection.startPcap(session.id, handle.id, captures, 'janode.pcap', 100);
out.pcap = (await connection.handleInfo(session.id, handle.id)).info['pcap-file'];
await connection.stopPcap(session.id, handle.id);
try {
	await connection.stopPcap(session.id, handle.id);
} catch (e) {
	out.error = e.message;
}
await client.close();
await connection.close();
console.log(JSON.stringify(out));
