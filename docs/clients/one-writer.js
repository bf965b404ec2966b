// A client that may retry: each write has a key, so it takes effect once, however often it is sent.
const AGAIN = [202, 429, 502, 503, 504]; // it waits, or nothing is known: the same request once more
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// Return the seconds to wait by `Retry-After`: a number, or from a proxy perhaps a date. 0.5 to 30.
export function pause(said) {
  const seconds = /^\d+$/.test(said ?? "") ? Number(said) : (Date.parse(said) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? 1 : Math.min(Math.max(seconds, 0.5), 30);
}

export class Client {
  // `seconds` is how long a write is tried.
  constructor(url, token, seconds = 60) {
    Object.assign(this, { url, token, seconds, lastWrite: "0" });
  }

  // Return the response once the outcome is known. Keep `key` to go on after a reload of the page.
  async write(method, path, data, { key = crypto.randomUUID(), ...headers } = {}) {
    const deadline = Date.now() + this.seconds * 1000;
    for (;;) {
      let response, wait = 1;
      try {
        response = await this.send(method, path, data, { "Idempotency-Key": key, ...headers });
      } catch (error) { // perhaps it was accepted, perhaps not
        if (Date.now() > deadline) throw error;
      }
      if (response) {
        const waits = response.status === 409 && (await response.clone().text()).includes('"idempotency_key_in_progress"');
        if (!(waits || AGAIN.includes(response.status)) || Date.now() > deadline) {
          this.lastWrite = response.headers.get("Write-Id") ?? this.lastWrite;
          return response;
        }
        wait = pause(response.headers.get("Retry-After"));
      }
      await sleep(wait);
    }
  }

  // Read what this client has written, also what was only accepted when its time was up.
  read(path) {
    return this.send("GET", path, undefined, { "Read-After": this.lastWrite });
  }

  send(method, path, data, headers) {
    const body = data === undefined ? undefined : JSON.stringify(data);
    const all = { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json", ...headers };
    const signal = AbortSignal.timeout(1000 * Math.min(30, this.seconds)); // fetch itself waits for minutes
    return fetch(new URL(path, this.url), { method, body, headers: all, signal });
  }
}
