// Calls of Parley, by the Connect protocol.

class Failure extends Error {
  constructor({code = 'unknown', message = '', details = []} = {}) {
    super(message);
    const detail = (type) => details.find((each) => each.type === `google.rpc.${type}`)?.debug;
    this.code = code;
    this.reason = detail('ErrorInfo')?.reason ?? '';
    this.metadata = detail('ErrorInfo')?.metadata ?? {};
    // In milliseconds; 0 where nothing is said.
    this.retryDelay = parseFloat(detail('RetryInfo')?.retryDelay ?? '0') * 1000;
  }

  // Nobody answered, or nobody knows: the same may be sent again.
  get passing() {
    return ['unavailable', 'unknown', 'deadline_exceeded', 'canceled', 'internal'].includes(this.code);
  }
}

const away = () => new Failure({code: 'unavailable'});

let ahead = 0; // the server's clock, of the reader's

// The server's time, as far as it has told it: the reader's clock may be wrong.
export const present = () => Date.now() + ahead;

function hear(response) {
  const told = Date.parse(response.headers.get('date'));
  if (told) ahead = Math.abs(told - Date.now()) > 60_000 ? told - Date.now() : 0;
  return response;
}

function post(method, body, key, type, signal) {
  const headers = {'content-type': type, 'connect-protocol-version': '1'};
  if (key) headers.authorization = `Bearer ${key}`;
  return fetch(`/${method}`, {method: 'POST', headers, body, signal, cache: 'no-store', credentials: 'omit'}).then(hear);
}

async function failureOf(response) {
  try {
    return new Failure(await response.json());
  } catch {
    return response.status === 429 ? new Failure({code: 'resource_exhausted'}) : away();
  }
}

export async function call(method, request, key) {
  let response;
  try {
    response = await post(method, JSON.stringify(request), key, 'application/json', AbortSignal.timeout(15_000));
    if (response.ok) return await response.json();
  } catch {
    throw away();
  }
  throw await failureOf(response);
}

// A stream is messages in envelopes: a byte of flags, four of length, and JSON. The last one has flag 2, and the error.
function envelope(message) {
  const text = new TextEncoder().encode(JSON.stringify(message));
  const bytes = new Uint8Array(5 + text.length);
  new DataView(bytes.buffer).setUint32(1, text.length);
  bytes.set(text, 5);
  return bytes;
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

// The messages of a stream. One that says nothing for `silence` milliseconds is broken, and so is one without an end.
export async function* stream(method, request, key, controller, silence = 25_000) {
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), silence);
  };
  try {
    heard();
    const response = await post(method, envelope(request), key, 'application/connect+json', controller.signal)
      .catch(() => { throw away(); });
    if (!response.ok) throw await failureOf(response);
    const reader = response.body.getReader();
    let bytes = new Uint8Array();
    for (;;) {
      const {done, value} = await reader.read().catch(() => { throw away(); });
      if (done) throw away();
      heard();
      bytes = bytes.length ? joined(bytes, value) : value;
      let at = 0;
      while (bytes.length >= at + 5) {
        const end = at + 5 + new DataView(bytes.buffer, bytes.byteOffset + at + 1, 4).getUint32(0);
        if (bytes.length < end) break;
        const message = JSON.parse(new TextDecoder().decode(bytes.subarray(at + 5, end)) || '{}');
        if (bytes[at] & 2) {
          if (message.error) throw new Failure(message.error);
          return;
        }
        yield message;
        at = end;
      }
      bytes = bytes.slice(at);
    }
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

// `crypto.randomUUID` is there only where the page came by https, or from this machine.
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
