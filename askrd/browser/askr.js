/**
 * askr for JavaScript: commands, events and state over one WebSocket, in text frames.
 *
 * One file, no dependencies; browsers, Node 22 and later, Deno. The daemon serves it as /askr.js:
 *
 *     import { connect } from "http://127.0.0.1:8800/askr.js";
 *     const askr = await connect();
 *     console.log(await askr.send("fetch"));
 *     askr.on("FETCHED_*", (event) => console.log(event.payload));
 *
 * The protocol is docs/PROTOCOL.md; whatever is sent and received here stands there.
 */

/** Milliseconds between two tries to connect: at first, and at most. */
const RETRY_MS = [100, 10_000];
/** How long a connection may take to be welcomed, in ms. */
const WELCOME_MS = 5_000;
/** Items and bytes of a stream that are taken before more are granted, as the protocol has it. */
const WINDOW = { items: 64, bytes: 256 * 1024 };
/** Events that wait for a slow reader of `listen`; beyond that the oldest give way, and a gap is told. */
const EVENTS_MAX = 10_000;

/** What went wrong, with the code of the protocol (`no_instance`, `deadline_exceeded`, …). */
export class AskrError extends Error {
  /**
   * @param {{code: string, message?: string, details?: object, retryable?: boolean, at?: string}} said
   */
  constructor(said) {
    super(said.message || said.code);
    this.name = "AskrError";
    this.code = said.code;
    this.details = said.details ?? {};
    this.retryable = said.retryable ?? false;
    /** Who says so: `daemon`, `handler`, `request`, `response`; `here` when it was this client. */
    this.at = said.at || "handler";
  }
}

/**
 * Connects and returns a client once the daemon welcomed it. It reconnects by itself until `close`.
 *
 * @param {string} [url] ws:// or wss:// (http and https are taken for them); default: where this
 *   module came from, else ws://127.0.0.1:8800.
 * @param {object} [options]
 * @param {string} [options.name] a word that others see; default `web`.
 * @param {string} [options.workspace] default: the daemon's own.
 * @param {number} [options.timeout] ms until the first connection has to be there; default 10 000.
 * @returns {Promise<Askr>}
 * @throws {AskrError} `connection_lost` when nobody answers in time; the daemon's own word otherwise.
 */
export async function connect(url, options = {}) {
  const askr = new Askr(url ?? defaultUrl(), options);
  await askr.opened(options.timeout ?? 10_000);
  return askr;
}

function defaultUrl() {
  const here = import.meta.url;
  return /^https?:/.test(here) ? new URL(".", here).href : "ws://127.0.0.1:8800";
}

/** A peer of one workspace. Made by `connect`. */
export class Askr {
  #url;
  #hello;
  #socket = null;
  #isOpen = false;
  #isClosed = false;
  #tries = 0;
  #lastId = 0;
  #pending = new Map(); // id -> {take(frame), lost(error)}: everything that waits for an answer
  #standing = new Map(); // id -> {frame, take(frame), lost()}: subscriptions and watches, made again
  #services = new Map(); // name -> {frame, handlers}
  #running = new Map(); // id -> AbortController of a handler
  #waiting = []; // functions that wait for the connection
  #fatal = null;

  /** The daemon's welcome: `id`, `instance`, `workspace`, `version`, `limits`. */
  welcome = null;
  /** Called with true or false when the connection comes or goes. */
  onconnection = null;
  /** The workspace's connected state. */
  state = new State(this);

  constructor(url, { name = "web", workspace = "" } = {}) {
    this.#url = String(url).replace(/^http/, "ws");
    this.#hello = { k: "hello", v: 1, name, kind: "terminal", streams: true };
    if (workspace) this.#hello.workspace = workspace;
    this.#dial();
  }

  // ── the connection ────────────────────────────────────────────────────────────────────

  /** Resolves when the daemon welcomed this peer. */
  opened(timeout = 10_000) {
    if (this.#isOpen) return Promise.resolve();
    if (this.#fatal) return Promise.reject(this.#fatal);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        reject(here("connection_lost", `no answer from ${this.#url} within ${timeout} ms`));
        if (!this.welcome) this.close();
      }, timeout);
      const waiting = (error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      };
      this.#waiting.push(waiting);
    });
  }

  /** Says goodbye. What is not answered yet fails with `connection_lost`. */
  close() {
    this.#isClosed = true;
    if (this.#isOpen) this.#write({ k: "bye" });
    this.#socket?.close(1000);
    this.#end(here("connection_lost", "this client was closed"));
  }

  #dial() {
    const socket = new WebSocket(this.#url, ["askr.1.json"]);
    this.#socket = socket;
    const slow = setTimeout(() => socket.close(), WELCOME_MS);
    socket.onopen = () => socket.send(JSON.stringify(this.#hello));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.k === "welcome") clearTimeout(slow);
      this.#take(frame);
    };
    socket.onerror = () => {};
    socket.onclose = ({ code }) => {
      clearTimeout(slow);
      if (this.#socket === socket) this.#lost(code);
    };
  }

  #lost(code) {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#socket = null;
    const error = here("connection_lost", "the connection to the daemon is gone; the outcome is unknown");
    for (const waiting of [...this.#pending.values()]) waiting.lost(error);
    this.#pending.clear();
    for (const running of this.#running.values()) running.abort(error);
    this.#running.clear();
    for (const standing of this.#standing.values()) standing.lost();
    if (wasOpen) this.onconnection?.(false);
    if (this.#isClosed) return;
    if (code >= 4500 && code < 5000) {
      this.#isClosed = true;
      this.#end(this.#fatal ?? here("connection_lost", `the daemon closed the connection (${code})`));
      return;
    }
    const most = Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** Math.min(this.#tries++, 10));
    setTimeout(() => this.#isClosed || this.#dial(), Math.random() * most);
  }

  #end(error) {
    this.#fatal = error;
    for (const waiting of this.#waiting.splice(0)) waiting(error);
    for (const waiting of [...this.#pending.values()]) waiting.lost(error);
    this.#pending.clear();
    for (const standing of this.#standing.values()) standing.ended?.();
    this.#standing.clear();
  }

  #greeted(frame) {
    this.welcome = frame;
    this.#isOpen = true;
    this.#tries = 0;
    this.#hello.instance = frame.instance;
    this.#hello.resume = frame.resume;
    for (const { frame: provided } of this.#services.values()) this.#write({ ...provided, id: ++this.#lastId });
    for (const standing of this.#standing.values()) this.#write(standing.frame);
    for (const waiting of this.#waiting.splice(0)) waiting();
    this.onconnection?.(true);
  }

  #write(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  #take(frame) {
    switch (frame.k) {
      case "welcome":
        return this.#greeted(frame);
      case "ping":
        return this.#write(frame.id ? { k: "pong", id: frame.id } : { k: "pong" });
      case "call":
        return this.#called(frame);
      case "cancel":
        return this.#running.get(frame.id)?.abort(here("cancelled", frame.reason || "cancelled"));
      case "event":
      case "gap":
        return this.#heard(frame);
      case "change":
        return frame.watch ? this.#answered(frame.watch, frame) : this.#changed(frame);
      case "error":
        if (frame.id && this.#pending.has(frame.id)) return this.#answered(frame.id, { ...frame, k: "fail" });
        if (!this.#isOpen) this.#fatal = new AskrError(frame);
        return undefined;
      default:
        return frame.id ? this.#answered(frame.id, frame) : undefined;
    }
  }

  #answered(id, frame) {
    (this.#pending.get(id) ?? this.#standing.get(id))?.take(frame);
  }

  /**
   * Sends a request and hands every frame that answers it to `take`, until `take` returns true.
   * @private
   */
  async _ask(frame, take, lost, timeout) {
    if (!this.#isOpen) await this.opened(timeout ?? 10_000);
    const id = ++this.#lastId;
    this.#pending.set(id, {
      take: (said) => take(said) && this.#pending.delete(id),
      lost,
    });
    this.#write({ ...frame, id });
    return { id, write: (more) => this.#pending.has(id) && this.#write({ ...more, id }) };
  }

  /** Sends a request with one answer; resolves with the frame. @private */
  _request(frame, timeout) {
    return new Promise((resolve, reject) => {
      const take = (said) => {
        if (said.k === "fail") reject(new AskrError(said));
        else resolve(said);
        return true;
      };
      this._ask(frame, take, reject, timeout).catch(reject);
    });
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────

  /**
   * Sends a command and resolves with its value.
   *
   * @param {string} target `fetch`, `agent.fetch`, `agent@k3Tz9a.fetch`.
   * @param {*} [payload] JSON, or a Uint8Array.
   * @param {object} [options]
   * @param {number} [options.timeout] ms until the outcome has to be there.
   * @param {AbortSignal} [options.signal] aborting it cancels the command.
   * @param {(payload) => void} [options.progress] gets what the handler says on the way.
   * @param {Object<string, string>} [options.headers]
   * @param {string} [options.key] what the policy `hash` goes by.
   * @param {string} [options.idempotencyKey] the command takes effect once under it.
   * @param {number} [options.wait] ms to wait for somebody who offers the command.
   * @param {"ack"} [options.reply] resolves once the command was accepted.
   * @throws {AskrError} the command's failure.
   */
  send(target, payload, options = {}) {
    return new Promise((resolve, reject) => {
      const pieces = [];
      const take = (frame) => {
        if (frame.k === "progress") options.progress?.(read(frame));
        else if (frame.k === "item" && frame.more) pieces.push(read(frame));
        else if (frame.k === "reply") resolve(joined(pieces, frame));
        else if (frame.k === "fail") reject(new AskrError(frame));
        return frame.k === "reply" || frame.k === "fail";
      };
      this.#call(target, payload, options, take, reject);
    });
  }

  #call(target, payload, options, take, lost) {
    if (options.signal?.aborted) return lost(here("cancelled", "it was cancelled before it was sent"));
    const asked = this._ask(callFrame(target, payload, options), take, lost, options.timeout);
    asked.catch(lost);
    const cancel = () => asked.then(({ write }) => write({ k: "cancel" })).catch(() => {});
    options.signal?.addEventListener("abort", cancel, { once: true });
    return cancel;
  }

  /** Sends a command that nobody answers; resolves once it is on its way. */
  tell(target, payload, options = {}) {
    return this._request({ ...callFrame(target, payload, options), silent: true }, options.timeout).then(() => {});
  }

  /**
   * Asks every instance and yields one row per member: `{from, ok, value | error}`. The generator
   * returns the summary `{ok, failed, lost}`.
   */
  async *survey(target, payload, options = {}) {
    const rows = new Rows();
    const take = (frame) => {
      if (frame.more && frame.k === "reply") rows.put({ from: frame.from, ok: true, value: read(frame) });
      else if (frame.more) rows.put({ from: frame.from, ok: false, error: new AskrError(frame) });
      else if (frame.k === "reply") rows.end(read(frame));
      else if (frame.k === "fail") rows.fail(new AskrError(frame));
      return !frame.more && (frame.k === "reply" || frame.k === "fail");
    };
    const cancel = this.#call(target, payload, { ...options, all: true }, take, (e) => rows.fail(e));
    try {
      return yield* rows;
    } finally {
      if (!rows.isEnded) cancel?.();
    }
  }

  /** Yields the items of a command that answers with a stream; leaving the loop cancels it. */
  async *stream(target, payload, options = {}) {
    const rows = new Rows();
    const take = (frame) => {
      if (frame.k === "item") rows.put(frame);
      else if (frame.k === "reply") rows.end(read(frame));
      else if (frame.k === "fail") rows.fail(new AskrError(frame));
      return frame.k === "reply" || frame.k === "fail";
    };
    const asked = this._ask(
      callFrame(target, payload, { ...options, reply: "stream" }), take, (e) => rows.fail(e), options.timeout);
    const { write } = await asked;
    options.signal?.addEventListener("abort", () => write({ k: "cancel" }), { once: true });
    let items = 0;
    let bytes = 0;
    try {
      for await (const frame of rows) {
        yield read(frame);
        items += 1;
        bytes += sizeOf(frame);
        if (items >= WINDOW.items / 2 || bytes >= WINDOW.bytes / 2) {
          write({ k: "credit", items, bytes });
          items = bytes = 0;
        }
      }
    } finally {
      if (!rows.isEnded) write({ k: "cancel" });
    }
  }

  // ── events ────────────────────────────────────────────────────────────────────────────

  /**
   * Emits an event. With `confirm` it resolves with `{receivers, seq}`.
   *
   * @param {{confirm?: boolean, retain?: boolean}} [options] `retain` keeps it as the subject's last.
   */
  async emit(event, payload, { confirm = false, retain = false } = {}) {
    const frame = { k: "emit", event, ...written(payload) };
    if (retain) frame.retain = true;
    if (confirm || retain) {
      const { receivers, seq } = await this._request(frame);
      return { receivers, seq };
    }
    if (!this.#isOpen) await this.opened();
    this.#write(frame);
    return undefined;
  }

  /**
   * Calls back for every event that fits the pattern; resolves, once it listens, with a function
   * that ends it. A gap (lost events) is told to `options.gap`.
   *
   * @param {string} pattern `FETCHED_*`, `orders.*.paid`, `log.**`.
   * @param {(event: {event: string, payload: *, from: object, seq: number, ts: number, kept: boolean}) => void} callback
   * @param {{gap?: (gap: {missed: number}) => void, since?: number, group?: string, retained?: boolean}} [options]
   */
  async on(pattern, callback, options = {}) {
    if (!this.#isOpen) await this.opened();
    const id = ++this.#lastId;
    const frame = { k: "sub", id, pattern };
    for (const name of ["since", "group", "retained"]) if (options[name] !== undefined) frame[name] = options[name];
    await new Promise((resolve, reject) => {
      this.#standing.set(id, {
        frame,
        fits: fitting(pattern),
        isOwn: Boolean(options.group),
        event: (said) => callback(eventOf(said)),
        gap: options.gap,
        take: (said) => {
          if (said.k === "subbed") {
            delete frame.since;
            resolve();
          } else if (said.k === "fail") {
            this.#standing.delete(id);
            reject(new AskrError(said));
          }
        },
        lost: () => {},
        ended: () => {
          reject(this.#fatal);
          options.ended?.();
        },
      });
      this.#write(frame);
    });
    return () => {
      if (this.#standing.delete(id) && this.#isOpen) this.#write({ k: "unsub", id });
    };
  }

  /**
   * Yields events that fit the pattern; `{gap}` where some were lost. Leaving the loop ends it.
   *
   * @param {{count?: number, since?: number, group?: string}} [options] `count` ends it after so many.
   */
  async *listen(pattern, { count = Infinity, ...options } = {}) {
    const rows = new Rows(EVENTS_MAX);
    const gap = (missed) => rows.put({ gap: missed });
    const stop = await this.on(pattern, (event) => rows.put(event), { ...options, gap, ended: () => rows.end() });
    try {
      let left = count;
      if (left <= 0) return;
      for await (const event of rows) {
        yield event;
        if (!event.gap && --left <= 0) return;
      }
    } finally {
      stop();
    }
  }

  #heard(frame) {
    if (frame.k === "gap") {
      const { k: _, ...gap } = frame;
      for (const one of this.#standing.values()) one.gap?.(gap);
      return;
    }
    const own = this.#standing.get(frame.sub);
    if (frame.kept || own?.isOwn) {
      own?.event?.(frame);
      return;
    }
    for (const one of [...this.#standing.values()]) if (!one.isOwn && one.fits?.(frame.event)) one.event(frame);
  }

  // ── state ─────────────────────────────────────────────────────────────────────────────

  #changed(frame) {
    for (const one of this.#standing.values()) if (one.covers?.(frame.key)) one.take(frame);
  }

  /** Begins a watch that outlives the connection. @private */
  async _watch(prefix, callback) {
    if (!this.#isOpen) await this.opened();
    const id = ++this.#lastId;
    let known = new Map(); // key -> rev: what the callback was told of
    let seen = null; // keys of the snapshot that is coming
    await new Promise((resolve, reject) => {
      const take = (said) => {
        if (said.k === "synced") {
          for (const key of seen ? known.keys() : []) {
            if (!seen.has(key)) callback({ op: "del", key, value: undefined, rev: said.rev, cause: "del" });
          }
          if (seen) known = seen;
          seen = null;
          callback({ synced: said.rev });
          resolve();
        } else if (said.k === "change") {
          const known_rev = known.get(said.key);
          const told = seen ?? known;
          if (said.op === "del") told.delete(said.key);
          else told.set(said.key, said.rev);
          if (known_rev !== said.rev) callback(changeOf(said));
        } else if (said.k === "fail") {
          this.#standing.delete(id);
          reject(new AskrError(said));
        }
      };
      const covers = (key) => (prefix || !key.startsWith("$askr")) && isAtOrBelow(prefix, key);
      const lost = () => { seen = new Map(); };
      this.#standing.set(id, { frame: { k: "watch", id, prefix }, take, covers, lost, ended: () => reject(this.#fatal) });
      lost();
      this.#write({ k: "watch", id, prefix });
    });
    return () => {
      if (this.#standing.delete(id) && this.#isOpen) this.#write({ k: "unwatch", id });
    };
  }

  // ── offering commands ─────────────────────────────────────────────────────────────────

  /**
   * Offers commands: `await askr.provide("greeter", {hello: async ({name}, context) => `hi ${name}`})`.
   * A handler gets the payload and `{from, signal, progress}`; what it returns is the answer, an
   * AskrError that it throws is its failure. An async generator answers with a stream.
   */
  async provide(service, handlers) {
    const commands = Object.entries(handlers).map(([name, handler]) =>
      isGenerator(handler) ? { name, reply: "stream" } : { name });
    const frame = { k: "provide", service, commands };
    await this._request(frame);
    this.#services.set(service, { frame, handlers });
  }

  async #called(frame) {
    const [service, ...rest] = frame.to.split(".");
    const handler = this.#services.get(service)?.handlers[rest.join(".")];
    const running = new AbortController();
    const { id } = frame;
    const say = (said) => id && !(running.signal.reason?.code === "connection_lost") && this.#write({ ...said, id });
    if (id) this.#running.set(id, running);
    try {
      if (!handler) throw new AskrError({ code: "command_unknown", message: `no handler for ${frame.to}` });
      const progress = (payload) => say({ k: "progress", ...written(payload) });
      const context = { from: frame.from, signal: running.signal, progress };
      if (isGenerator(handler)) await this.#flow(handler(read(frame), context), id, say, running, frame.reply === "value");
      else say({ k: "reply", ...written(await handler(read(frame), context)) });
    } catch (error) {
      const said = error instanceof AskrError ? error : { code: "handler_error", message: "the handler failed" };
      if (!(error instanceof AskrError)) console.error(error);
      say({ k: "fail", code: said.code, message: said.message, details: said.details, retryable: said.retryable });
    } finally {
      this.#running.delete(id);
    }
  }

  async #flow(items, id, say, running, isCollected) {
    const all = [];
    let left = { ...WINDOW };
    let wake = () => {};
    if (id) {
      this.#pending.set(id, {
        take: (frame) => {
          if (frame.k === "credit") {
            left = { items: left.items + frame.items, bytes: left.bytes + frame.bytes };
            wake();
          }
          return false;
        },
        lost: () => wake(),
      });
    }
    running.signal.addEventListener("abort", () => wake());
    try {
      for await (const item of items) {
        if (running.signal.aborted) break;
        if (isCollected) {
          all.push(item);
          continue;
        }
        while ((left.items <= 0 || left.bytes <= 0) && !running.signal.aborted) {
          await new Promise((resolve) => { wake = resolve; });
        }
        const frame = { k: "item", ...written(item) };
        left = { items: left.items - 1, bytes: left.bytes - sizeOf(frame) };
        say(frame);
      }
      if (running.signal.aborted) throw running.signal.reason;
      say(isCollected ? { k: "reply", d: all } : { k: "reply" });
    } finally {
      this.#pending.delete(id);
    }
  }
}

/** The connected state of the workspace: `askr.state`. */
class State {
  #askr;

  constructor(askr) {
    this.#askr = askr;
  }

  /** Resolves with `{key, value, rev, ts}`, or null when there is no such key. */
  async get(key) {
    try {
      return entryOf(await this.#askr._request({ k: "get", key }));
    } catch (error) {
      if (error.code === "not_found") return null;
      throw error;
    }
  }

  /** Resolves with the entries at or below a prefix. */
  entries(prefix = "") {
    return new Promise((resolve, reject) => {
      const found = [];
      const take = (frame) => {
        if (frame.k === "change") found.push(entryOf(frame));
        else if (frame.k === "fail") reject(new AskrError(frame));
        else resolve(found);
        return frame.k !== "change";
      };
      this.#askr._ask({ k: "get", key: prefix, prefix: true }, take, reject).catch(reject);
    });
  }

  /**
   * Writes a value; resolves with `{rev, changed}`.
   *
   * @param {{ifRev?: number, ttl?: number, ephemeral?: boolean}} [options] `ifRev`: only over this
   *   revision, 0 = it must not exist; `ttl` in ms; `ephemeral`: it goes with this peer.
   */
  set(key, value, options = {}) {
    return this.#write({ k: "put", key, ...written(value) }, options);
  }

  /** Merges a patch (RFC 7396) into a value; resolves with `{rev, changed, value}`. */
  patch(key, patch, options = {}) {
    return this.#write({ k: "put", op: "patch", key, d: patch }, options);
  }

  /** Deletes a key; resolves with `{rev, changed}`. */
  delete(key, options = {}) {
    return this.#write({ k: "del", key }, options);
  }

  async #write(frame, { ifRev, ttl, ephemeral }) {
    if (ifRev !== undefined) frame.if_rev = ifRev;
    if (ttl !== undefined) frame.ttl = ttl;
    if (ephemeral) frame.ephemeral = true;
    const said = await this.#askr._request(frame);
    const written = { rev: said.rev, changed: said.changed };
    return frame.op ? { ...written, value: read(said) } : written;
  }

  /**
   * Tells what is at or below a prefix, `{synced: rev}`, and then every change:
   * `{op: "set" | "del", key, value, rev, cause}`. After a lost connection it begins again and tells
   * what is different. Resolves, once synced, with a function that ends it.
   */
  watch(prefix, callback) {
    return this.#askr._watch(prefix, callback);
  }
}

/** Values put in by callbacks and taken out by `for await`. */
class Rows {
  #rows = [];
  #wake = null;
  #outcome = null;
  #most;
  #missed = 0;
  isEnded = false;

  constructor(most = Infinity) {
    this.#most = most;
  }

  put(row) {
    this.#rows.push(row);
    if (this.#rows.length > this.#most) {
      this.#rows.shift();
      this.#missed += 1;
    }
    this.#stir();
  }

  end(value) {
    this.#outcome ??= { value };
    this.#stir();
  }

  fail(error) {
    this.#outcome ??= { error };
    this.#stir();
  }

  #stir() {
    if (this.#outcome) this.isEnded = true;
    this.#wake?.();
    this.#wake = null;
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      if (this.#missed) {
        const missed = this.#missed;
        this.#missed = 0;
        yield { gap: { missed } };
      } else if (this.#rows.length) {
        yield this.#rows.shift();
      } else if (this.#outcome) {
        if (this.#outcome.error) throw this.#outcome.error;
        return this.#outcome.value;
      } else {
        await new Promise((resolve) => { this.#wake = resolve; });
      }
    }
  }
}

// ── frames ──────────────────────────────────────────────────────────────────────────────

const here = (code, message) => new AskrError({ code, message, at: "here" });

function callFrame(to, payload, options) {
  const frame = { k: "call", to, ...written(payload) };
  if (options.timeout !== undefined) frame.ttl = Math.max(1, Math.round(options.timeout));
  if (options.headers) frame.headers = options.headers;
  if (options.idempotencyKey) frame.idempotency_key = options.idempotencyKey;
  for (const name of ["reply", "key", "version", "exclude", "wait", "all", "first", "quorum"]) {
    if (options[name] !== undefined) frame[name] = options[name];
  }
  return frame;
}

/** The payload as fields of a frame: bytes in base64, anything else as JSON. */
function written(payload) {
  if (payload instanceof Uint8Array) return { b: toBase64(payload) };
  if (payload instanceof ArrayBuffer) return { b: toBase64(new Uint8Array(payload)) };
  return payload === undefined || payload === null ? {} : { d: payload };
}

function read(frame) {
  return frame.b !== undefined ? fromBase64(frame.b) : (frame.d ?? null);
}

function sizeOf(frame) {
  if (frame.b !== undefined) return fromBase64(frame.b).length;
  return frame.d === undefined ? 0 : new TextEncoder().encode(JSON.stringify(frame.d)).length;
}

/** A value that came in pieces, with the reply's own payload behind them. */
function joined(pieces, reply) {
  if (!pieces.length) return read(reply);
  const last = reply.b !== undefined ? fromBase64(reply.b) : new TextEncoder().encode(
    reply.d === undefined ? "" : JSON.stringify(reply.d));
  const all = [...pieces, last];
  const whole = new Uint8Array(all.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of all) {
    whole.set(piece, at);
    at += piece.length;
  }
  return reply.b !== undefined ? whole : JSON.parse(new TextDecoder().decode(whole));
}

function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function eventOf(frame) {
  return { event: frame.event, payload: read(frame), from: frame.from, seq: frame.seq, ts: frame.ts, kept: frame.kept ?? false };
}

function changeOf(frame) {
  const value = frame.op === "del" ? undefined : read(frame);
  return { op: frame.op, key: frame.key, value, rev: frame.rev, cause: frame.cause };
}

function entryOf(frame) {
  return { key: frame.key, value: read(frame), rev: frame.rev, ts: frame.ts };
}

function isAtOrBelow(prefix, key) {
  return !prefix || key === prefix || key.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
}

/** Returns the rule of a pattern: `*` is one segment or part of one, a last `**` is the rest. */
function fitting(pattern) {
  const escaped = (text) => text.replace(/[\\^$.|?+()[\]{}]/g, "\\$&").replace(/\*/g, "[^.]*");
  const segments = pattern.split(".");
  const rest = segments.at(-1) === "**";
  const wanted = (rest ? segments.slice(0, -1) : segments).map((one) => (one === "*" ? "[^.]+" : escaped(one)));
  const tail = rest ? (wanted.length ? "(\\..+)?" : ".+") : "";
  const rule = new RegExp(`^${wanted.join("\\.")}${tail}$`, "u");
  return (subject) => !(subject.startsWith("$") && pattern.startsWith("*")) && rule.test(subject);
}

function isGenerator(handler) {
  return Object.prototype.toString.call(handler) === "[object AsyncGeneratorFunction]";
}
