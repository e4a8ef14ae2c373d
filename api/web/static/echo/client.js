// A small client of the Janus API over WebSocket or HTTP long poll.

export class APIError extends Error {
  constructor(code, reason) {
    super(`${reason} (${code})`);
    this.code = code;
  }
}

const randomText = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), b => (b % 36).toString(36)).join("");

// WebSocketLink carries everything over one socket.
class WebSocketLink {
  name = "WebSocket";

  open(url, timeout) {
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(url, "janus-protocol");
      const late = setTimeout(() => { this.socket.close(); reject(new Error("no answer")); }, timeout);
      this.socket.onopen = () => { clearTimeout(late); resolve(this); };
      this.socket.onerror = () => { clearTimeout(late); reject(new Error("refused")); };
      this.socket.onmessage = m => this.onmessage(JSON.parse(m.data));
      this.socket.onclose = () => this.onclose?.();
    });
  }

  send(message) { this.socket.send(JSON.stringify(message)); }

  start(session, keepalive) { this.timer = setInterval(keepalive, 25000); }

  close() {
    clearInterval(this.timer);
    this.onclose = null;
    this.socket.close();
  }
}

// PollLink posts requests and polls for events.
class PollLink {
  name = "HTTP";
  abort = new AbortController();

  constructor(base) { this.base = base; }

  async send({ session_id, handle_id, ...message }) {
    const path = [this.base, session_id, handle_id].filter(Boolean).join("/");
    if (message.janus === "destroy") this.abort.abort(); // or a poll would ask for a session that is gone
    try {
      const response = await fetch(path, {
        method: "POST", body: JSON.stringify(message), headers: { "Content-Type": "application/json" }, keepalive: message.janus === "destroy",
      });
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      this.onmessage(await response.json());
    } catch (e) {
      this.onfail?.(message.transaction, e);
    }
  }

  async start(session, keepalive, credentials) {
    const query = new URLSearchParams({ maxev: 10, ...credentials });
    for (let failures = 0; !this.abort.signal.aborted;) {
      try {
        query.set("rid", Date.now());
        const response = await fetch(`${this.base}/${session}?${query}`, { signal: this.abort.signal });
        if (!response.ok) throw new Error(`HTTP status ${response.status}`);
        failures = 0;
        for (const m of [].concat(await response.json())) this.onmessage(m);
      } catch {
        if (this.abort.signal.aborted) return;
        if (++failures > 3) return this.onclose?.();
        await new Promise(wake => setTimeout(wake, 500 * failures));
      }
    }
  }

  close() {
    this.onclose = null;
    this.abort.abort();
  }
}

// Session is one session at the server. onevent gets what belongs to a handle,
// onclose is called once when the session is lost.
export class Session {
  pending = new Map(); // transaction -> {resolve, reject, waitForEvent}
  onevent = () => {};
  onclose = () => {};

  // open tries WebSocket and then HTTP, or what options.transport says.
  static async open({ wsURL, base, transport, credentials = {}, note = () => {} }) {
    if (transport !== "http" && wsURL) {
      try {
        return await new Session(await new WebSocketLink().open(wsURL, 2500), credentials).create();
      } catch (e) {
        if (e instanceof APIError || transport === "ws") throw e;
        note(`No WebSocket at ${wsURL}, so HTTP long poll it is.`);
      }
    }
    return new Session(new PollLink(base), credentials).create();
  }

  constructor(link, credentials) {
    this.link = link;
    this.credentials = credentials;
    link.onmessage = m => this.receive(m);
    link.onfail = (transaction, error) => this.settle(transaction, "reject", error);
    link.onclose = () => this.lost("The connection to the server is gone.");
  }

  async create() {
    this.id = (await this.request({ janus: "create" })).data.id;
    this.link.start(this.id, () => this.request({ janus: "keepalive" }).catch(() => {}), this.credentials);
    return this;
  }

  request(message, waitForEvent = false) {
    const transaction = randomText();
    const reply = new Promise((resolve, reject) => this.pending.set(transaction, { resolve, reject, waitForEvent }));
    this.link.send({ ...message, transaction, ...(this.id && { session_id: this.id }), ...this.credentials });
    return reply;
  }

  settle(transaction, how, value) {
    const waiting = this.pending.get(transaction);
    this.pending.delete(transaction);
    waiting?.[how](value);
    return !!waiting;
  }

  receive(m) {
    const waiting = this.pending.get(m.transaction);
    if (m.janus === "error") return this.settle(m.transaction, "reject", new APIError(m.error.code, m.error.reason));
    if (m.janus === "ack" && waiting?.waitForEvent) return;
    if (waiting) return this.settle(m.transaction, "resolve", m);
    if (m.janus === "timeout") return this.lost("The server ended the session: it did not hear from this page in time.");
    if (m.sender) this.onevent(m);
  }

  lost(reason) {
    this.link.close();
    for (const t of [...this.pending.keys()]) this.settle(t, "reject", new Error(reason));
    this.onclose(reason);
  }

  async attach(plugin) {
    const { data } = await this.request({ janus: "attach", plugin });
    const send = (janus, fields, wait) => this.request({ janus, handle_id: data.id, ...fields }, wait);
    return {
      id: data.id,
      trickle: candidate => send("trickle", { candidate }),
      // message resolves to the plugin's answer; its failures are rejections.
      message: async (body, jsep) => {
        const m = await send("message", jsep ? { body, jsep } : { body }, true);
        const answer = m.plugindata?.data ?? {};
        if (answer.error_code) throw new APIError(answer.error_code, answer.error);
        return { data: answer, jsep: m.jsep };
      },
    };
  }

  destroy() {
    this.onclose = () => {};
    this.request({ janus: "destroy" }).catch(() => {}).finally(() => this.link.close());
  }
}
