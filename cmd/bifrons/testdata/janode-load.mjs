// How the scripts find janode, whose folder is their first argument.
import { register } from 'node:module';
import { pathToFileURL } from 'node:url';

// janode's Unix socket needs a compiled module, which nobody needs for a WebSocket.
register('data:text/javascript,' + encodeURIComponent(`export const resolve = (name, context, next) => name === 'unix-dgram'
	? { url: 'data:text/javascript,export const createSocket = null', shortCircuit: true } : next(name, context);`));

// load gives a module of janode.
export const load = name => import(pathToFileURL(`${process.argv[2]}/src/${name}.js`)).then(m => m.default);
