// What scripts for Duktape expect: the object Duktape, and require with its hook modSearch.
(function (version, compile, search, own) {
	"use strict";
	var global = Function("return this")();
	var loaded = {};

	// resolve makes a relative id absolute, to the module that requires it.
	function resolve(id, parent) {
		var parts = /^\.\.?\//.test(id) ? parent.split("/").slice(0, -1) : [];
		id.split("/").forEach(function (part) {
			if (part === "..") {
				if (parts.length === 0) throw new Error("there is no module " + id);
				parts.pop();
			} else if (part !== "." && part !== "") {
				parts.push(part);
			}
		});
		return parts.join("/");
	}

	// find is the text of a module, or undefined if it has filled in the exports itself.
	function find(id, module, require) {
		if (typeof global.Duktape.modSearch === "function") {
			try {
				return global.Duktape.modSearch(id, require, module.exports, module);
			} catch (e) {
				return ours(id, module, e);
			}
		}
		var text = search(id);
		if (text === undefined) ours(id, module, new Error("there is no module " + id));
		return text;
	}

	function ours(id, module, error) {
		var exports = own(id);
		if (exports === undefined) throw error;
		module.exports = exports;
	}

	function requirer(parent) {
		var require = function (wanted) {
			var id = resolve(String(wanted), parent);
			if (Object.prototype.hasOwnProperty.call(loaded, id)) return loaded[id].exports;
			var module = loaded[id] = { id: id, filename: id + ".js", loaded: false, exports: {} };
			var inner = requirer(id);
			try {
				var text = find(id, module, inner);
				if (typeof text === "string") compile(id, text).call(module.exports, inner, module.exports, module);
				module.loaded = true;
			} catch (e) {
				delete loaded[id];
				throw e;
			}
			return module.exports;
		};
		return require;
	}

	var hex = {
		enc: function (s) {
			return s.split("").map(function (c) { return ("0" + (c.charCodeAt(0) & 255).toString(16)).slice(-2); }).join("");
		},
		dec: function (s) {
			return (s.match(/../g) || []).map(function (d) { return String.fromCharCode(parseInt(d, 16)); }).join("");
		}
	};
	var alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	var base64 = {
		enc: function (s) {
			var out = "";
			for (var i = 0; i < s.length; i += 3) {
				var n = (s.charCodeAt(i) & 255) << 16 | (s.charCodeAt(i + 1) & 255) << 8 | s.charCodeAt(i + 2) & 255;
				out += alphabet[n >> 18] + alphabet[n >> 12 & 63] +
					(i + 1 < s.length ? alphabet[n >> 6 & 63] : "=") + (i + 2 < s.length ? alphabet[n & 63] : "=");
			}
			return out;
		},
		dec: function (s) {
			var out = "", bits = 0, n = 0;
			for (var i = 0; i < s.length && s[i] !== "="; i++) {
				n = (n << 6 | alphabet.indexOf(s[i])) & 0xffffff;
				bits += 6;
				if (bits >= 8) {
					bits -= 8;
					out += String.fromCharCode(n >> bits & 255);
				}
			}
			return out;
		}
	};
	var codecs = { hex: hex, base64: base64 };
	var text = {
		enc: function () { return JSON.stringify.apply(JSON, arguments); },
		dec: function () { return JSON.parse.apply(JSON, arguments); }
	};
	codecs.jx = codecs.jc = text;

	function code(direction) {
		return function (name) {
			if (!Object.prototype.hasOwnProperty.call(codecs, name)) throw new TypeError("there is no format " + name);
			return codecs[name][direction].apply(null, Array.prototype.slice.call(arguments, 1));
		};
	}

	global.Duktape = {
		version: version, env: "bifrons", modLoaded: loaded, enc: code("enc"), dec: code("dec"),
		gc: function () { return true; }, fin: function () {}
	};
	global.global = global;
	global.require = requirer("");
})
