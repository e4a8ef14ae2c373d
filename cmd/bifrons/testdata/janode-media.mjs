// Media is somebody else's: lines of JSON on the standard output ask for it, their
// answers come on the standard input.
import { createInterface } from 'node:readline';

const waiting = new Map();
createInterface({ input: process.stdin }).on('line', line => {
	const { id, sdp, error } = JSON.parse(line);
	const { resolve, reject } = waiting.get(id);
	waiting.delete(id);
	if (error) reject(new Error(error));
	else resolve(sdp);
});
let asked = 0;

// media asks the other side, which answers with a description.
export function media(what, peer, jsep) {
	const id = ++asked;
	console.log(JSON.stringify({ id, do: what, peer, sdp: jsep?.sdp ?? '' }));
	return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}
