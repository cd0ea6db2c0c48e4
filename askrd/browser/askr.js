/**
 * askr for JavaScript: commands, events and state over one WebSocket, in text frames.
 *
 * One file, no dependencies; browsers, Node 22 and later, Deno. The daemon serves it as /askr.js:
 *
 *     import { connect } from "http://127.0.0.1:8800/askr.js";
 *     const askr = await connect();
 *     console.log(await askr.send("fetch"));
 *     await askr.on("FETCHED_*", (event) => console.log(event.payload));
 *
 * How to use it stands in docs/JAVASCRIPT.md; what is sent and received, in docs/PROTOCOL.md.
 */

/** How long a request waits for a connection, in ms, unless its own timeout is shorter. */
const OPEN_MS = 10_000;
/** How long a connection may take to be welcomed, in ms. */
const WELCOME_MS = 5_000;
/** Milliseconds between two tries to connect: at first, and at most. */
const RETRY_MS = [100, 10_000];
/** The longest deadline that a frame carries, and the longest time that a timer counts, in ms. */
const TTL_MS = 2 ** 32 - 1;
const TIMER_MS = 2 ** 31 - 1;
/** How often a connection that is full is looked at again, in ms. */
const DRAIN_MS = 10;
/** Requests that wait for the connection, and their bytes; further ones fail. */
const WAITING = { items: 10_000, bytes: 8 * 1024 * 1024 };
/** Bytes handed to the socket and not sent yet, beyond which requests wait. */
const UNSENT_BYTES = 4 * 1024 * 1024;
/** Items and bytes of a stream that are sent before more are granted, as the protocol has it. */
const WINDOW = { items: 64, bytes: 256 * 1024 };
/** Events that wait for a slow reader of `listen`; beyond that the oldest give way, and a gap is told. */
const UNREAD = { items: 10_000, bytes: 8 * 1024 * 1024 };
/** A payload's bytes at most, until the daemon's welcome says another number. */
const PAYLOAD_BYTES = 1024 * 1024;
/** Ids of requests begin here, so that none is an id the daemon gives to a command for this page. */
const OWN_IDS = 2 ** 32;
/** How deep JSON may be nested, the frame around it included. */
const DEPTH = 64;
/** Options of `on` that the daemon reads. */
const SUB_OPTIONS = ["since", "group", "retained"];
/** JSON.stringify escapes a lone surrogate and nothing else like this. */
const HALF_CHARACTER = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;
/** Options of a call that are called in the frame as they are here. */
const CALL_OPTIONS = ["headers", "hops", "reply", "key", "version", "exclude", "wait", "all", "first", "quorum"];

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
  try {
    await askr.opened(options.timeout);
  } catch (error) {
    askr.close();
    throw error;
  }
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
  #isHeard = false; // since the last beat
  #isAsked = false; // whether a ping of ours has no answer yet
  #tries = 0;
  #lastId = OWN_IDS;
  #pending = new Map(); // own id -> {take(frame, text), lost(error)}: what waits for an answer
  #standing = new Map(); // own id -> subscriptions and watches; made again after a lost connection
  #services = new Map(); // name -> {body, handlers}
  #running = new Map(); // the daemon's id -> AbortController of a handler
  #flows = new Map(); // the daemon's id -> takes credit for the stream that a handler sends
  #queue = new Set(); // {run, fail, size, timer}: what waits for the connection, in order
  #queueBytes = 0;
  #refusal = null; // the daemon's last error that is about no request
  #fatal = null;
  #ended = new AbortController();
  #timers = { retry: undefined, welcome: undefined, drain: undefined, beat: undefined };

  /** The daemon's welcome: `id`, `instance`, `workspace`, `version`, `epoch`, `limits`. */
  welcome = null;
  /** Called with true or false when the connection comes or goes. */
  onconnection = null;
  /** Called with what a callback or a handler of this page threw, and with what was lost for good. */
  onerror = (error) => console.error(error);
  /** The workspace's connected state. */
  state = new State(this);

  constructor(url, { name = "web", workspace = "" } = {}) {
    this.#url = String(url).replace(/^http/i, "ws");
    this.#hello = { k: "hello", v: 1, name, streams: true, software: "askr.js" };
    if (workspace) this.#hello.workspace = workspace;
    this.#followPage();
    this.#dial();
  }

  // ── the connection ────────────────────────────────────────────────────────────────────

  /** Resolves when the daemon welcomed this peer; at once when it is connected. */
  opened(timeout = OPEN_MS) {
    return new Promise((resolve, reject) => void this.#inTurn(resolve, reject, 0, timeout));
  }

  /** Says goodbye. What is not answered yet fails with `connection_lost`. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#write({ k: "bye" });
    this.#socket?.close(1000);
    this.#lost();
    this.#end(here("connection_lost", "this client was closed"));
  }

  /** A page that its visitor left may be kept, frozen and mute: it goes, and comes back with the page. */
  #followPage() {
    if (!globalThis.document) return;
    const leave = () => {
      clearTimeout(this.#timers.retry);
      this.#write({ k: "bye" });
      const socket = this.#socket;
      this.#lost();
      socket?.close(1000);
    };
    const comeBack = ({ persisted }) => {
      if (persisted && !this.#socket) this.#dial();
    };
    const ways = { signal: this.#ended.signal };
    globalThis.addEventListener("pagehide", leave, ways);
    globalThis.addEventListener("pageshow", comeBack, ways);
  }

  #dial() {
    let socket;
    try {
      if (!globalThis.WebSocket) throw new Error("there is no WebSocket here; Node has it from version 22 on");
      socket = new WebSocket(this.#url, ["askr.1.json"]);
    } catch (error) {
      this.#end(here("bad_request", `cannot connect to ${this.#url}: ${error.message}`));
      return;
    }
    this.#socket = socket;
    this.#refusal = null;
    const isMine = () => this.#socket === socket;
    this.#timers.welcome = setTimeout(() => this.#hangUp(), WELCOME_MS);
    socket.onopen = () => socket.send(JSON.stringify(this.#hello));
    socket.onmessage = ({ data }) => {
      if (!isMine()) return;
      this.#isHeard = true;
      let frame;
      try {
        frame = JSON.parse(data);
      } catch {
        this.#hangUp();
        return;
      }
      this.#take(frame, data);
    };
    // A browser says `close` behind it; Node does not always when nobody is there.
    socket.onerror = () => setTimeout(() => isMine() && this.#hangUp(), 0);
    socket.onclose = ({ code }) => isMine() && this.#gone(code);
  }

  /** Gives a connection up that says nothing, or nothing that can be read. */
  #hangUp() {
    const socket = this.#socket;
    this.#gone(0);
    socket?.close();
  }

  /** Takes in that the connection is over; begins another one unless the daemon said not to. */
  #gone(code) {
    this.#lost();
    if (this.#isClosed) return;
    if (code >= 4500 && code < 5000) {
      this.#end(this.#refusal ?? here("connection_lost", `the daemon closed the connection (${code})`));
      return;
    }
    const most = Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** Math.min(this.#tries++, 10));
    this.#timers.retry = setTimeout(() => this.#dial(), most * (0.5 + Math.random() / 2));
  }

  /** Ends what lived on the connection. */
  #lost() {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#socket = null;
    clearTimeout(this.#timers.welcome);
    clearInterval(this.#timers.beat);
    const error = here("connection_lost", "the connection to the daemon is gone; the outcome is unknown");
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const one of pending) one.lost(error);
    for (const running of this.#running.values()) running.abort(error);
    this.#running.clear();
    this.#flows.clear();
    if (wasOpen) this.#tell(this.onconnection, false);
  }

  /** Ends the client for good. */
  #end(error) {
    this.#fatal = error;
    this.#ended.abort();
    const isMine = this.#isClosed;
    this.#isClosed = true;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const waiting = [...this.#queue];
    this.#queue.clear();
    for (const one of waiting) {
      clearTimeout(one.timer);
      one.fail(error);
    }
    const standing = [...this.#standing.values()];
    this.#standing.clear();
    for (const one of standing) one.failed(error, isMine);
  }

  #greeted(frame) {
    const isNewEpoch = this.welcome?.epoch !== frame.epoch;
    this.welcome = frame;
    this.#isOpen = true;
    this.#tries = 0;
    this.#hello.instance = frame.instance;
    this.#hello.resume = frame.resume;
    this.#isAsked = false;
    clearTimeout(this.#timers.welcome);
    this.#timers.beat = setInterval(() => this.#beat(), frame.limits?.heartbeat_after_ms ?? OPEN_MS);
    for (const [name, { body, isProvided }] of this.#services) if (isProvided) this.#provideAgain(name, body);
    for (const one of this.#standing.values()) {
      one.renewed(isNewEpoch);
      this.#write(one.frame);
    }
    this.#drain();
    this.#tell(this.onconnection, true);
  }

  /** Asks a silent daemon whether it is there; hangs up when it does not say so. */
  #beat() {
    if (this.#isHeard) this.#isAsked = false;
    else if (this.#isAsked) return this.#hangUp();
    else {
      this.#isAsked = true;
      this.#write({ k: "ping" });
    }
    this.#isHeard = false;
    return undefined;
  }

  #write(frame) {
    if (this.#isOpen) this.#socket.send(JSON.stringify(frame));
  }

  #take(frame, text) {
    switch (frame.k) {
      case "welcome":
        return this.#greeted(frame);
      case "ping":
        return this.#write(frame.id ? { k: "pong", id: frame.id } : { k: "pong" });
      case "call":
        return void this.#called(frame);
      case "cancel":
        return this.#running.get(frame.id)?.abort(here("cancelled", frame.reason || "cancelled"));
      case "credit":
        return this.#flows.get(frame.id)?.(frame);
      case "event":
        return this.#heard(frame, text.length);
      case "gap":
        return this.#missed(frame);
      case "change":
        return frame.watch ? this.#answered(frame.watch, frame, text) : this.#changed(frame);
      case "error":
        return this.#asks(frame.id) ? this.#answered(frame.id, { ...frame, k: "fail" }, text) : this.#refused(frame);
      default:
        return this.#answered(frame.id, frame, text);
    }
  }

  /** Takes in an error about no request of ours: of the connection, or of an event. */
  #refused(frame) {
    const error = new AskrError({ at: "daemon", ...frame });
    this.#refusal = error;
    if (this.#isOpen) this.#report(error);
  }

  #asks(id) {
    return this.#pending.has(id) || this.#standing.has(id);
  }

  #answered(id, frame, text) {
    (this.#pending.get(id) ?? this.#standing.get(id))?.take(frame, text);
  }

  /** Calls what the page gave; what it throws is no fault of the connection. */
  #tell(callback, ...words) {
    try {
      const said = callback?.(...words);
      if (typeof said?.then === "function") said.then(undefined, (error) => this.#report(error));
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error) {
    try {
      this.onerror?.(error);
    } catch (worse) {
      console.error(worse);
    }
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────

  /**
   * Runs something in its turn: at once when the connection has room, else when it has it again.
   * Returns a function that takes it back while it waits, and says whether it did.
   */
  #inTurn(run, fail, size, timeout = OPEN_MS) {
    if (this.#fatal) {
      fail(this.#fatal);
    } else if (!this.#queue.size && this.#hasRoom()) {
      run();
    } else if (this.#queue.size >= WAITING.items || this.#queueBytes + size > WAITING.bytes) {
      fail(here("limit_exceeded", "too much waits for the connection already; nothing was sent", true));
    } else {
      return this.#wait({ run, fail, size }, timeout);
    }
    return () => false;
  }

  #wait(one, timeout) {
    const tookBack = () => {
      if (!this.#queue.delete(one)) return false;
      this.#queueBytes -= one.size;
      clearTimeout(one.timer);
      return true;
    };
    one.timer = setTimeout(() => {
      if (tookBack()) one.fail(here("connection_lost", this.#silence(timeout), true));
    }, Math.min(timeout, TIMER_MS));
    this.#queue.add(one);
    this.#queueBytes += one.size;
    if (this.#isOpen) this.#drainSoon();
    return tookBack;
  }

  #silence(timeout) {
    const origin = globalThis.location?.origin;
    const hint = this.welcome || !origin ? "" : `; is it there, and does its setting allow_origins name ${origin}?`;
    return `no connection to ${this.#url} within ${timeout} ms; nothing was sent${hint}`;
  }

  #hasRoom() {
    return this.#isOpen && this.#socket.bufferedAmount < UNSENT_BYTES;
  }

  #drain() {
    for (const one of this.#queue) {
      if (!this.#hasRoom()) break;
      this.#queue.delete(one);
      this.#queueBytes -= one.size;
      clearTimeout(one.timer);
      one.run();
    }
    if (this.#queue.size && this.#isOpen) this.#drainSoon();
  }

  #drainSoon() {
    clearTimeout(this.#timers.drain);
    this.#timers.drain = setTimeout(() => this.#drain(), DRAIN_MS);
  }

  /** A frame as text; refuses what the daemon would not take, for then nobody would hear of it. */
  #text(frame) {
    const text = JSON.stringify(frame);
    const most = this.welcome?.limits?.payload_bytes_max ?? PAYLOAD_BYTES;
    const hasPayload = frame.b !== undefined || frame.d !== undefined;
    const size = text.length * 3 <= most ? 0 : hasPayload ? payloadSize(frame) : bytesOf(text).length;
    if (text.length > 2 * DEPTH && isTooDeep(text)) throw here("bad_request", `the payload is nested more than ${DEPTH} deep; nothing was sent`);
    if (text.includes("\\ud") && HALF_CHARACTER.test(text)) throw here("bad_request", "a string has half a character (a lone surrogate); nothing was sent");
    if (size > most) throw here("payload_too_large", `the payload has ${size} bytes, at most ${most} are taken; nothing was sent`);
    return text;
  }

  /**
   * Sends a request and hands every frame that answers it to `take`, until `take` returns true;
   * `lost` gets the error when no answer can come any more. Returns what can be said later.
   * @private
   */
  _ask(frame, take, lost, timeout) {
    if (timeout !== undefined && !(timeout <= TTL_MS)) throw here("bad_request", `timeout: ${timeout} is no number of ms up to ${TTL_MS}; nothing was sent`);
    const text = this.#text(frame);
    const asked = performance.now();
    let id = 0;
    const run = () => {
      const isTimed = frame.k === "call" && timeout !== undefined;
      const ttl = isTimed ? Math.max(1, Math.round(timeout - (performance.now() - asked))) : 0;
      id = this.#begin(text, take, lost, ttl);
    };
    const takeBack = this.#inTurn(run, lost, text.length, Math.min(OPEN_MS, timeout ?? OPEN_MS));
    const write = (more) => this.#pending.has(id) && this.#write({ ...more, id });
    const cancel = () => {
      if (takeBack()) lost(here("cancelled", "it was cancelled before it was sent"));
      else write({ k: "cancel" });
    };
    return { write, cancel };
  }

  #begin(text, take, lost, ttl) {
    const id = ++this.#lastId;
    this.#pending.set(id, {
      take: (said, whole) => {
        if (take(said, whole)) this.#pending.delete(id);
      },
      lost,
    });
    this.#socket.send(`{"id":${id},${ttl ? `"ttl":${ttl},` : ""}${text.slice(1)}`);
    return id;
  }

  /** Sends a request with one answer; resolves with the frame. @private */
  _request(frame, timeout) {
    return new Promise((resolve, reject) => {
      const take = (said) => {
        if (said.k === "fail") reject(new AskrError(said));
        else resolve(said);
        return true;
      };
      this._ask(frame, take, reject, timeout);
    });
  }

  // ── commands ──────────────────────────────────────────────────────────────────────────

  /**
   * Sends a command and resolves with its value; of a survey with the list of the good ones.
   *
   * @param {string} target `fetch`, `agent.fetch`, `agent@k3Tz9a.fetch`.
   * @param {*} [payload] JSON, or bytes: a Uint8Array or an ArrayBuffer.
   * @param {object} [options]
   * @param {number} [options.timeout] ms until the outcome has to be there.
   * @param {AbortSignal} [options.signal] aborting it cancels the command.
   * @param {(payload) => void} [options.progress] gets what the handler says on the way.
   * @param {Object<string, string>} [options.headers]
   * @param {string} [options.key] what the policy `hash` goes by.
   * @param {string} [options.idempotencyKey] the command takes effect once under it.
   * @param {string} [options.version] range of the service's version.
   * @param {string[]} [options.exclude] instance ids that are not to be asked.
   * @param {number} [options.wait] ms to wait for somebody who offers the command.
   * @param {"ack"} [options.reply] resolves once the command was accepted.
   * @throws {AskrError} the command's failure.
   */
  send(target, payload, options = {}) {
    return new Promise((resolve, reject) => {
      const good = [];
      let isSurvey = false;
      const take = (frame, value) => {
        if (frame.k === "progress") this.#tell(options.progress, value);
        else if (frame.more) {
          isSurvey = true;
          if (frame.k === "reply") good.push(value);
        } else if (frame.k === "reply") resolve(isSurvey ? good : value);
        else if (frame.k === "fail") reject(new AskrError(frame));
      };
      this.#call(target, payload, options, take, reject);
    });
  }

  /**
   * Sends a call. `take` gets its frames with their values; pieces of a large value are put
   * together here, under credit. Returns `{write, cancel}`.
   */
  #call(target, payload, options, take, lost) {
    const signal = options.signal;
    if (signal?.aborted) throw here("cancelled", "it was cancelled before it was sent");
    const pieces = [];
    const credit = new Credit((grant) => call.write(grant));
    const abort = () => call.cancel();
    const ended = () => signal?.removeEventListener("abort", abort);
    const hear = (frame, text) => {
      if (frame.k === "item" && frame.more) {
        pieces.push(read(frame));
        credit.used(frame, text);
        return false;
      }
      const isOutcome = !frame.more && (frame.k === "reply" || frame.k === "fail");
      if (isOutcome) ended();
      take(frame, isOutcome && pieces.length ? joined(pieces, frame) : read(frame), text);
      return isOutcome;
    };
    const fail = (error) => {
      ended();
      lost(error);
    };
    signal?.addEventListener("abort", abort, { once: true });
    let call = { write: () => {}, cancel: () => {} };
    try {
      call = this._ask(callFrame(target, payload, options), hear, fail, options.timeout);
    } catch (error) {
      ended();
      throw error;
    }
    return call;
  }

  /** Sends a command that nobody answers; resolves once it is on its way. */
  async tell(target, payload, options = {}) {
    await this._request({ ...callFrame(target, payload, options), silent: true }, options.timeout);
  }

  /**
   * Asks every instance and yields one row per member: `{from, ok, value | error}`. The generator
   * returns the summary `{ok, failed, lost}`. `options.first` and `options.quorum` end it earlier.
   */
  async *survey(target, payload, options = {}) {
    const rows = new Rows();
    const take = (frame, value) => {
      if (frame.more && frame.k === "reply") rows.put({ from: frame.from, ok: true, value });
      else if (frame.more && frame.k === "fail") rows.put({ from: frame.from, ok: false, error: new AskrError(frame) });
      else if (frame.k === "reply") rows.end(value);
      else if (frame.k === "fail") rows.fail(new AskrError(frame));
    };
    const call = this.#call(target, payload, { ...options, all: true }, take, (error) => rows.fail(error));
    try {
      return yield* rows;
    } finally {
      if (!rows.isEnded) call.cancel();
    }
  }

  /** Yields the items of a command that answers with a stream; leaving the loop cancels it. */
  async *stream(target, payload, options = {}) {
    const rows = new Rows();
    const take = (frame, value, text) => {
      if (frame.k === "item") rows.put({ value, frame, text });
      else if (frame.k === "reply") rows.end(value);
      else if (frame.k === "fail") rows.fail(new AskrError(frame));
    };
    const lost = (error) => rows.fail(error);
    const call = this.#call(target, payload, { ...options, reply: "stream" }, take, lost);
    const credit = new Credit(call.write);
    try {
      for await (const { value, frame, text } of rows) {
        yield value;
        credit.used(frame, text);
      }
    } finally {
      if (!rows.isEnded) call.cancel();
    }
  }

  // ── events ────────────────────────────────────────────────────────────────────────────

  /**
   * Emits an event; resolves once it is handed over. With `confirm` it resolves with
   * `{receivers, seq}`. An event that could not be handed over fails only for who awaits it.
   *
   * @param {{confirm?: boolean, retain?: boolean}} [options] `retain` keeps it as the subject's last.
   */
  emit(event, payload, { confirm = false, retain = false, hops } = {}) {
    const frame = { k: "emit", event, hops, ...written(payload) };
    if (retain) frame.retain = true;
    const told = confirm || retain ? this.#emitAsked(frame) : this.#emitTold(frame);
    told.catch(() => {});
    return told;
  }

  async #emitAsked(frame) {
    const { receivers, seq } = await this._request(frame);
    return { receivers, seq };
  }

  #emitTold(frame) {
    return new Promise((resolve, reject) => {
      const text = this.#text(frame);
      const run = () => {
        this.#socket.send(text);
        resolve();
      };
      this.#inTurn(run, reject, text.length);
    });
  }

  /**
   * Calls back for every event that fits the pattern; resolves, once it listens, with a function
   * that ends it. `options.gap` is told of lost events: `{missed}` says how many, null for as many
   * as there were while the connection was gone.
   *
   * @param {string} pattern `FETCHED_*`, `orders.*.paid`, `log.**`.
   * @param {(event: {event: string, payload: *, from: object, seq: number, ts: number, kept: boolean, retained: boolean}) => void} callback
   *   `kept`: it is from before the subscription; `retained`: it is the last one of its subject.
   * @param {{gap?: (gap: {missed: ?number}) => void, since?: number, group?: string, retained?: boolean}} [options]
   */
  on(pattern, callback, options = {}) {
    return this.#listen(pattern, options, {
      event: (event) => this.#tell(callback, event),
      gap: (gap) => this.#tell(options.gap, gap),
      failed: (error, isMine) => isMine || this.#report(error),
    });
  }

  #listen(pattern, options, ears) {
    const frame = { k: "sub", pattern };
    for (const name of SUB_OPTIONS) if (options[name] !== undefined) frame[name] = options[name];
    return this.#stand(frame, "unsub", "subbed", (one) => ({
      ...ears,
      fits: fitting(pattern),
      isOwn: options.group !== undefined,
      accepted: () => { delete one.frame.since; },
      renewed: () => { if (one.isOn) ears.gap({ missed: null }); },
    }));
  }

  /**
   * Begins what outlives the connection; resolves, once it is accepted, with a function that ends
   * it. `make` returns its `fits` or `covers`, `accepted`, `renewed` and `failed`.
   */
  #stand(frame, undo, accepts, make) {
    return new Promise((resolve, reject) => {
      const begin = () => {
        const id = ++this.#lastId;
        const one = { frame: { ...frame, id }, isOn: false };
        const ways = make(one);
        const stop = () => {
          if (this.#standing.delete(id)) this.#write({ k: undo, id });
        };
        Object.assign(one, ways, {
          failed: (error, isMine = false) => {
            this.#standing.delete(id);
            if (one.isOn) ways.failed(error, isMine);
            else reject(error);
          },
          take: (said) => {
            if (said.k === "fail") one.failed(new AskrError(said));
            else if (said.k !== accepts) ways.change?.(said);
            else {
              ways.accepted(said);
              one.isOn = true;
              resolve(stop);
            }
          },
        });
        this.#standing.set(id, one);
        this.#write(one.frame);
      };
      this.#inTurn(begin, reject, 0);
    });
  }

  /**
   * Yields events that fit the pattern; `{gap}` where some were lost. It listens from the first
   * step on. Leaving the loop ends it, and so does aborting `options.signal`.
   *
   * @param {{count?: number, signal?: AbortSignal, since?: number, group?: string, retained?: boolean}} [options]
   *   `count` ends it after so many.
   */
  async *listen(pattern, { count = Infinity, signal, ...options } = {}) {
    if (count <= 0 || signal?.aborted) return;
    const rows = new Rows(UNREAD);
    const end = () => rows.end();
    signal?.addEventListener("abort", end, { once: true });
    let stop = () => {};
    try {
      stop = await this.#listen(pattern, options, {
        event: (event, size) => rows.put(event, size),
        gap: (gap) => rows.put({ gap }),
        failed: (error, isMine) => (isMine ? rows.end() : rows.fail(error)),
      });
      let left = count;
      for await (const event of rows) {
        yield event;
        if (!event.gap && --left <= 0) return;
      }
    } finally {
      signal?.removeEventListener("abort", end);
      stop();
    }
  }

  /** An event comes once, however many subscriptions it fits; what is for one only says so. */
  #heard(frame, size) {
    const event = eventOf(frame);
    const own = this.#standing.get(frame.sub);
    if (frame.kept || own?.isOwn) {
      own?.event?.(event, size);
      return;
    }
    for (const one of [...this.#standing.values()]) {
      if (one.fits && !one.isOwn && one.fits(frame.event)) one.event(event, size);
    }
  }

  #missed({ k: _, sub, ...gap }) {
    const heirs = sub ? [this.#standing.get(sub)] : [...this.#standing.values()];
    for (const one of heirs) one?.gap?.(gap);
  }

  // ── state ─────────────────────────────────────────────────────────────────────────────

  #changed(frame) {
    for (const one of [...this.#standing.values()]) if (one.covers?.(frame.key)) one.change(frame);
  }

  /** Begins a watch that outlives the connection. @private */
  _watch(prefix, callback) {
    const tell = (change) => this.#tell(callback, change);
    return this.#stand({ k: "watch", prefix }, "unwatch", "synced", () => watching(prefix, tell, (error, isMine) => {
      if (!isMine) this.#report(error);
    }));
  }

  // ── offering commands ─────────────────────────────────────────────────────────────────

  /**
   * Offers commands: `await askr.provide("greeter", {hello: ({name}, context) => `hi ${name}`})`.
   *
   * A handler gets the payload and a context: `from`, `headers`, `signal` (aborted when the command
   * is cancelled), `progress(payload)`, and `send`, `tell`, `emit` for what it asks in turn. What it
   * returns is the answer, an AskrError that it throws is its failure. A generator function answers
   * with a stream. `{handler, doc, idempotent, timeout_ms, …}` says more about a command.
   *
   * @param {string} service a word.
   * @param {Object<string, function|object>} handlers by the name of the command.
   * @param {object} [about] what else the service says of itself: `version`, `doc`, `tags`, `concurrency`, …
   * @returns {Promise<() => Promise<void>>} withdraws the service.
   */
  async provide(service, handlers, about = {}) {
    if (this.#services.has(service)) throw here("bad_request", `${service} is provided already; withdraw it first`);
    const entries = Object.entries(handlers).map(([name, given]) => [name, typeof given === "function" ? { handler: given } : given]);
    const commands = entries.map(([name, { handler, ...rest }]) => ({ name, ...(isGenerator(handler) ? { reply: "stream" } : {}), ...rest }));
    const body = { ...about, k: "provide", service, commands };
    const one = { body, isProvided: false, handlers: new Map(entries.map(([name, { handler }]) => [name, handler])) };
    this.#services.set(service, one);
    try {
      await this._request(body);
    } catch (error) {
      this.#services.delete(service);
      throw error;
    }
    one.isProvided = true;
    return async () => {
      if (this.#services.get(service) !== one) return;
      this.#services.delete(service);
      if (!this.#isOpen) return;
      await this._request({ k: "withdraw", service }).catch((error) => {
        if (error.code !== "connection_lost") throw error;
      });
    };
  }

  #provideAgain(service, body) {
    const take = (said) => {
      if (said.k === "fail") {
        this.#services.delete(service);
        this.#report(new AskrError(said));
      }
      return true;
    };
    this.#begin(JSON.stringify(body), take, () => {}, 0);
  }

  async #called(frame) {
    const { id } = frame;
    const [service, ...rest] = frame.to.split(".");
    const handler = this.#services.get(service)?.handlers.get(rest.join("."));
    const running = new AbortController();
    let isEnded = false;
    const say = (said) => {
      const isLost = running.signal.reason?.code === "connection_lost";
      if (id && !isEnded && !isLost && this.#isOpen) this.#socket.send(this.#text({ ...said, id }));
    };
    if (id) this.#running.set(id, running);
    try {
      if (!handler) throw new AskrError({ code: "command_unknown", message: `no handler for ${frame.to}` });
      if (frame.reply === "ack") say({ k: "reply", more: true });
      const said = handler(read(frame), this.#context(frame, running.signal, say));
      if (isGenerator(handler)) await this.#flow(said, frame, say, running.signal);
      else say({ k: "reply", ...written(await said) });
    } catch (error) {
      if (!(error instanceof AskrError)) this.#report(error);
      try {
        say(failure(error));
      } catch {
        say({ k: "fail", code: failure(error).code, message: "the error's details cannot be sent" });
      }
    } finally {
      isEnded = true;
      if (this.#running.get(id) === running) this.#running.delete(id);
    }
  }

  #context(frame, signal, say) {
    const came_ms = performance.now();
    const left = () => Math.max(1, frame.ttl - (performance.now() - came_ms));
    const trace = frame.headers?.traceparent;
    const onward = ({ headers, ...options } = {}) => ({
      ...options,
      hops: (frame.hops ?? 0) + 1,
      timeout: Math.min(options.timeout ?? Infinity, left()),
      signal: options.signal ?? signal,
      headers: trace ? { traceparent: trace, ...headers } : headers,
    });
    return {
      from: frame.from,
      headers: frame.headers ?? {},
      signal,
      progress: (payload) => say({ k: "progress", ...written(payload) }),
      send: (target, payload, options) => this.send(target, payload, onward(options)),
      tell: (target, payload, options) => this.tell(target, payload, onward(options)),
      emit: (event, payload, options) => this.emit(event, payload, { ...options, hops: (frame.hops ?? 0) + 1 }),
    };
  }

  /** Sends the items of a handler as a stream, under the caller's credit, or as one list. */
  async #flow(items, { id, reply }, say, signal) {
    const most = this.welcome.limits?.payload_bytes_max ?? PAYLOAD_BYTES;
    const isStream = id && reply === undefined;
    const all = [];
    let allBytes = 0;
    let left = WINDOW;
    let wake = () => {};
    const credit = (grant) => {
      left = { items: left.items + grant.items, bytes: left.bytes + grant.bytes };
      wake();
    };
    if (isStream) this.#flows.set(id, credit);
    signal.addEventListener("abort", () => wake());
    try {
      for await (const item of items) {
        if (signal.aborted) break;
        const frame = { k: "item", ...written(item) };
        const size = payloadSize(frame);
        if (isStream) {
          while ((left.items <= 0 || left.bytes <= 0) && !signal.aborted) {
            await new Promise((resolve) => { wake = resolve; });
          }
          left = { items: left.items - 1, bytes: left.bytes - size };
          if (!signal.aborted) say(frame);
        } else if (id && reply === "value") {
          allBytes += size;
          if (allBytes > most) throw new AskrError({ code: "payload_too_large", message: `the items have more than ${most} bytes; ask for a stream`, at: "response" });
          all.push(item);
        }
      }
      if (signal.aborted) throw signal.reason;
      say(reply === "value" ? { k: "reply", d: all } : { k: "reply" });
    } finally {
      if (this.#flows.get(id) === credit) this.#flows.delete(id);
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

  /** Resolves with the entries at or below a prefix; of everything, when it is empty. */
  entries(prefix = "") {
    return new Promise((resolve, reject) => {
      const found = [];
      const take = (frame) => {
        if (frame.k === "change") found.push(entryOf(frame));
        else if (frame.k === "fail") reject(new AskrError(frame));
        else resolve(found);
        return frame.k !== "change";
      };
      this.#askr._ask({ k: "get", key: prefix, prefix: true }, take, reject);
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

  /** Adds a whole number to a value; resolves with `{rev, changed, value}`. */
  incr(key, by = 1, options = {}) {
    return this.#write({ k: "put", op: "incr", key, d: by }, options);
  }

  /** Deletes a key; resolves with `{rev, changed}`. */
  delete(key, options = {}) {
    return this.#write({ k: "del", key }, options);
  }

  async #write(frame, { ifRev, ttl, ephemeral }) {
    if (ifRev !== undefined) frame.if_rev = ifRev;
    if (ephemeral) frame.ephemeral = true;
    if (ttl !== undefined) frame.ttl = ttl;
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

/** Values put in by callbacks and taken out by one `for await`. */
class Rows {
  #rows = []; // [row, size]
  #bytes = 0;
  #missed = 0; // how many gave way; null: nobody knows
  #wake = null;
  #outcome = null;
  #most;

  constructor(most = { items: Infinity, bytes: Infinity }) {
    this.#most = most;
  }

  get isEnded() {
    return this.#outcome !== null;
  }

  put(row, size = 0) {
    if (this.#outcome) return;
    this.#rows.push([row, size]);
    this.#bytes += size;
    while (this.#rows.length > 1 && (this.#rows.length > this.#most.items || this.#bytes > this.#most.bytes)) {
      const [lost, freed] = this.#rows.shift();
      const count = lost.gap ? lost.gap.missed : 1;
      this.#bytes -= freed;
      this.#missed = count === null || this.#missed === null ? null : this.#missed + count;
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
    this.#wake?.();
    this.#wake = null;
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      if (this.#missed !== 0) {
        const missed = this.#missed;
        this.#missed = 0;
        yield { gap: { missed } };
      } else if (this.#rows.length) {
        const [row, size] = this.#rows.shift();
        this.#bytes -= size;
        yield row;
      } else if (this.#outcome) {
        if (this.#outcome.error) throw this.#outcome.error;
        return this.#outcome.value;
      } else {
        await new Promise((resolve) => { this.#wake = resolve; });
      }
    }
  }
}

/** Grants the sender of a stream what was consumed, about every half window. */
class Credit {
  #write;
  #items = 0;
  #bytes = 0;

  constructor(write) {
    this.#write = write;
  }

  used(frame, text) {
    this.#items += 1;
    this.#bytes += sizeInText(frame, text);
    if (this.#items < WINDOW.items / 2 && this.#bytes < WINDOW.bytes / 2) return;
    this.#write({ k: "credit", items: this.#items, bytes: this.#bytes });
    this.#items = this.#bytes = 0;
  }
}

/** What a watch knows, so that after a lost connection it tells what is different. */
function watching(prefix, tell, failed) {
  const known = new Map(); // key -> rev: what was told
  let seen = new Set(); // keys of the snapshot that is coming
  return {
    failed,
    covers: (key) => (prefix || !key.startsWith("$askr")) && isAtOrBelow(prefix, key),
    renewed: (isNewEpoch) => {
      seen = new Set();
      // Another daemon may give the same revision to another value.
      if (isNewEpoch) for (const key of known.keys()) known.set(key, NaN);
    },
    change: (said) => {
      const isNews = known.get(said.key) !== said.rev;
      if (said.op === "del") {
        known.delete(said.key);
        seen?.delete(said.key);
      } else {
        known.set(said.key, said.rev);
        seen?.add(said.key);
      }
      if (isNews) tell(changeOf(said));
    },
    accepted: ({ rev }) => {
      for (const key of seen ? [...known.keys()] : []) {
        if (seen.has(key)) continue;
        known.delete(key);
        tell({ op: "del", key, value: undefined, rev, cause: null });
      }
      seen = null;
      tell({ synced: rev });
    },
  };
}

// ── frames ──────────────────────────────────────────────────────────────────────────────

const here = (code, message, retryable = false) => new AskrError({ code, message, retryable, at: "here" });

function callFrame(to, payload, options) {
  const frame = { k: "call", to, ...written(payload) };
  if (options.idempotencyKey) frame.idempotency_key = options.idempotencyKey;
  for (const name of CALL_OPTIONS) if (options[name] !== undefined) frame[name] = options[name];
  return frame;
}

/** The frame that a handler's error is. */
function failure(error) {
  const isOwn = error instanceof AskrError && /^[a-z0-9_]{1,64}$/.test(error.code);
  if (!isOwn) return { k: "fail", code: "handler_error", message: "the handler failed" };
  const { code, message, details } = error;
  const isObject = typeof details === "object" && details !== null && !Array.isArray(details);
  return { k: "fail", code, message, details: isObject ? details : { details }, retryable: Boolean(error.retryable) };
}

/** The payload as fields of a frame: bytes in base64, anything else as JSON. */
function written(payload) {
  if (payload instanceof ArrayBuffer) return { b: toBase64(new Uint8Array(payload)) };
  if (ArrayBuffer.isView(payload)) return { b: toBase64(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength)) };
  return payload === undefined || payload === null ? {} : { d: payload };
}

function read(frame) {
  return frame.b !== undefined ? fromBase64(frame.b) : (frame.d ?? null);
}

const bytesOf = (text) => new TextEncoder().encode(text);

function isTooDeep(text) {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (isString && letter === "\\") at += 1;
    else if (letter === '"') isString = !isString;
    else if (!isString && (letter === "{" || letter === "[")) depth += 1;
    else if (!isString && (letter === "}" || letter === "]")) depth -= 1;
    if (depth > DEPTH) return true;
  }
  return false;
}

/** Bytes of the payload in a frame of ours. */
function payloadSize(frame) {
  if (frame.b !== undefined) return base64Size(frame.b);
  return frame.d === undefined ? 0 : bytesOf(JSON.stringify(frame.d) ?? "").length;
}

/** Bytes of the payload in a frame of the daemon's: JSON as its sender wrote it, white space and all. */
function sizeInText(frame, text) {
  if (frame.b !== undefined) return base64Size(frame.b);
  if (frame.d === undefined) return 0;
  const { d: _, ...rest } = frame;
  return bytesOf(text).length - bytesOf(JSON.stringify(rest)).length - '"d":,'.length;
}

function base64Size(text) {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** A value that came in pieces, with the reply's own payload behind them. */
function joined(pieces, reply) {
  const last = reply.b !== undefined ? fromBase64(reply.b) : bytesOf(reply.d === undefined ? "" : JSON.stringify(reply.d));
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
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function eventOf(frame) {
  return { event: frame.event, payload: read(frame), from: frame.from, seq: frame.seq, ts: frame.ts, kept: frame.kept ?? false, retained: frame.retained ?? false };
}

function changeOf(frame) {
  const value = frame.op === "del" ? undefined : read(frame);
  return { op: frame.op ?? "set", key: frame.key, value, rev: frame.rev, cause: frame.cause ?? null };
}

function entryOf(frame) {
  return { key: frame.key, value: read(frame), rev: frame.rev, ts: frame.ts };
}

function isAtOrBelow(prefix, key) {
  return !prefix || key === prefix || key.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
}

/** Returns the rule of a pattern: `*` is one segment or part of one, a last `**` is the rest. */
export function fitting(pattern) {
  const wanted = String(pattern).split(".");
  const isOpen = wanted.at(-1) === "**";
  if (isOpen) wanted.pop();
  return (subject) => {
    if (subject.startsWith("$") && pattern.startsWith("*")) return false;
    const had = subject.split(".");
    const isLong = isOpen ? had.length >= wanted.length : had.length === wanted.length;
    return isLong && wanted.every((segment, at) => segmentFits(segment, had[at]));
  };
}

function segmentFits(pattern, segment) {
  const [first, ...pieces] = pattern.split("*");
  if (!pieces.length) return pattern === segment;
  const last = pieces.pop();
  const end = segment.length - last.length;
  if (end < first.length || !segment.startsWith(first) || !segment.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = segment.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function isGenerator(handler) {
  return /^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(handler));
}
