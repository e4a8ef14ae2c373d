// Requests of the Admin API. The secret goes in their bodies only.

const settings = await (await fetch("settings.json")).json();
const url = new URL(".." + settings.base, location.href);
url.hash = "";
const kept = "bifrons-admin-secret";
let secret = null;

export const known = () => secret !== null;

// recall takes the secret that this tab has had before a reload.
export function recall() {
  try { secret = sessionStorage.getItem(kept); } catch { /* a browser that stores nothing */ }
}

export function remember(text) {
  secret = text;
  try { sessionStorage.setItem(kept, text); } catch { /* as above */ }
}

export function forget() {
  secret = null;
  try { sessionStorage.removeItem(kept); } catch { /* as above */ }
}

export class Refused extends Error {}

// ask makes one request; about names a session and a handle, if it is about one.
export async function ask(janus, fields = {}, about = []) {
  const path = about.length ? "/" + about.join("/") : "";
  const body = { ...fields, janus, transaction: Math.random().toString(36).slice(2) };
  if (secret) body.admin_secret = secret;
  const response = await fetch(url + path, {
    method: "POST", body: JSON.stringify(body), cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(15000),
  });
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const answer = await response.json();
  if (answer.janus !== "error") return answer;
  if (answer.error.code === 403) throw new Refused("This is not the secret.");
  const e = new Error(answer.error.reason);
  e.code = answer.error.code;
  throw e;
}
