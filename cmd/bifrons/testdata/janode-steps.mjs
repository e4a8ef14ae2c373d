// What the scripts share that make every call of a plugin.

export const passed = [];
const patience = 45000; // ms

// step makes a call, or some that belong together.
export async function step(name, f) {
	let timer;
	const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('what was waited for does not come')), patience); });
	try {
		const v = await Promise.race([f(), late]);
		passed.push(name);
		return v;
	} catch (e) {
		e.message = `${name}: ${e.message}`;
		throw e;
	} finally {
		clearTimeout(timer);
	}
}

// next waits for an event that is sent from now on; ok may pick one of several.
export const next = (handle, event, ok = () => true) => new Promise(resolve => {
	const take = data => {
		if (!ok(data)) return;
		handle.off(event, take);
		resolve(data);
	};
	handle.on(event, take);
});

// run runs a script and tells what became of it.
export async function run(main) {
	let failed = '';
	try {
		await main();
	} catch (e) {
		failed = e.stack;
	}
	console.log(JSON.stringify({ passed, failed }));
	process.exit(failed ? 1 : 0);
}
