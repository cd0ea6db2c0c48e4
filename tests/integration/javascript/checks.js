/**
 * What the JavaScript client does, checked from inside: in Node, Deno and a browser alike.
 *
 * Each check is a function of a connected client and `at` {url, askr: the module, vectors}; it
 * throws when something is otherwise than it should be.
 */

const CHECK_MS = 30_000;

function same(found, expected) {
  const [one, other] = [shown(found), shown(expected)];
  if (one !== other) throw new Error(`found ${one}, expected ${other}`);
}

function shown(value) {
  return JSON.stringify(value, (_, one) => (one instanceof Uint8Array ? `bytes ${[...one].join(" ")}` : one));
}

async function fault(promise, code) {
  try {
    await promise;
  } catch (error) {
    same(error.code, code);
    return error;
  }
  throw new Error(`${code} was expected, and nothing failed`);
}

/** Resolves when `holds` does. */
async function until(holds, what) {
  for (const end = Date.now() + 10_000; !holds();) {
    if (Date.now() > end) throw new Error(`it never came to be: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function nested(depth) {
  return depth ? [nested(depth - 1)] : 1;
}

/** Collects events; `until(count)` waits for so many. */
async function ears(askr, pattern, options) {
  const heard = [];
  const stop = await askr.on(pattern, (event) => heard.push(event), options);
  return { heard, stop, until: (count) => until(() => heard.length >= count, `${count} of ${pattern}`) };
}

export const checks = {
  async a_value_comes_back_as_it_went(askr) {
    for (const value of [null, true, 0, -1.5, "ä\u2028\n😀", [1, [2]], { a: { b: null } }, ""]) {
      same(await askr.send("desk.echo", { value }), value);
    }
    same(await askr.send("echo"), null);
  },

  async bytes_come_back_as_bytes(askr) {
    const bytes = new TextEncoder().encode("bytes\0\x7f");
    for (const one of [bytes, bytes.buffer, new DataView(bytes.buffer, 0, 5)]) {
      const value = await askr.send("desk.upper", one);
      same(value instanceof Uint8Array, true);
      same(new TextDecoder().decode(value).slice(0, 5), "BYTES");
    }
  },

  async the_error_of_a_handler_has_its_code_and_details(askr) {
    const error = await fault(askr.send("desk.fail", { code: "lent_out" }), "lent_out");
    same([error.message, error.details, error.retryable, error.at], ["as you wish", { why: "told" }, false, "handler"]);
    same(error instanceof Error && error.name, "AskrError");
  },

  async an_unknown_command_is_refused_by_the_daemon(askr) {
    const error = await fault(askr.send("desk.ecko"), "command_unknown");
    same(error.at, "daemon");
    same(error.details.nearest.some((name) => name.includes("echo")), true);
    await fault(askr.send("not an address"), "bad_request");
  },

  async a_deadline_ends_a_command(askr) {
    await fault(askr.send("desk.wait", null, { timeout: 50 }), "deadline_exceeded");
  },

  async a_timeout_that_is_no_time_is_refused_and_a_long_one_is_not(askr, at) {
    for (const timeout of [Infinity, NaN, "5s", 2 ** 32]) {
      const error = await fault(askr.send("desk.echo", 1, { timeout }), "bad_request");
      same(error.at, "here");
    }
    same(await askr.send("desk.echo", 1, { timeout: 2 ** 32 - 1 }), 1);
    const other = await at.askr.connect(at.url, { timeout: Infinity });
    other.close();
  },

  async aborting_cancels_the_handler(askr) {
    const waits = await ears(askr, "DESK_WAITS");
    const ended = await ears(askr, "DESK_ENDED");
    const control = new AbortController();
    const sent = askr.send("desk.wait", null, { signal: control.signal });
    await waits.until(1);
    control.abort();
    await fault(sent, "cancelled");
    await ended.until(1);
    await fault(askr.send("desk.echo", null, { signal: control.signal }), "cancelled");
    waits.stop();
    ended.stop();
  },

  async progress_is_told_on_the_way(askr) {
    const steps = [];
    same(await askr.send("desk.steps", { count: 3 }, { progress: ({ step }) => steps.push(step) }), "done");
    same(steps, [0, 1, 2]);
  },

  async headers_and_deadline_reach_the_handler(askr) {
    const said = await askr.send("desk.said", null, { headers: { user: "ada" }, timeout: 5000 });
    same(said.headers.user, "ada");
    same(said.remaining > 0 && said.remaining <= 5, true);
  },

  async a_told_command_and_an_accepted_one_resolve_with_nothing(askr) {
    const ended = await ears(askr, "DESK_WAITS");
    same(await askr.tell("desk.wait", null, { timeout: 100 }), undefined);
    same(await askr.send("desk.wait", null, { reply: "ack", timeout: 100 }), null);
    await ended.until(2);
    ended.stop();
    await fault(askr.tell("desk.nope"), "command_unknown");
  },

  async an_idempotency_key_has_the_command_done_once(askr) {
    let runs = 0;
    const withdraw = await askr.provide("once", { run: () => ++runs });
    const options = { idempotencyKey: "k" };
    same([await askr.send("once.run", 1, options), await askr.send("once.run", 1, options)], [1, 1]);
    await withdraw();
  },

  async a_survey_has_a_row_for_each_instance(askr) {
    const rows = [];
    const asked = askr.survey("desk.echo", { value: 7 });
    let step;
    while (!(step = await asked.next()).done) rows.push(step.value);
    same(rows.map(({ from, ok, value }) => [from.service, ok, value]), [["desk", true, 7]]);
    same(step.value, { ok: 1, failed: 0, lost: 0 });
    for await (const row of askr.survey("desk@*.fail", { code: "no" })) same([row.ok, row.error.code], [false, "no"]);
    await fault(askr.survey("nobody.echo").next(), "service_unknown");
  },

  async a_declared_broadcast_resolves_with_the_good_rows(askr) {
    same(await askr.send("desk.roll"), ["here"]);
  },

  async a_stream_goes_on_beyond_its_first_credit(askr) {
    const items = [];
    for await (const { n } of askr.stream("desk.count", { to: 1000 })) items.push(n);
    same([items.length, items[999]], [1000, 1000]);
    let bytes = 0;
    for await (const { text } of askr.stream("desk.count", { to: 40, size: 20_000 })) bytes += 2 * text.length;
    same(bytes, 1_600_000);
  },

  async credit_is_counted_in_bytes_as_the_sender_wrote_them(askr, at) {
    const written = '{ "text" :  "\\u00e9ü😀" , "bytes":\t[1, 2]}';
    const size = new TextEncoder().encode(written).length;
    const granted = [];
    const socket = new WebSocket(at.url, ["askr.1.json"]);
    const say = (frame) => socket.send(JSON.stringify(frame));
    socket.onopen = () => {
      say({ k: "hello", v: 1, name: "raw", streams: true });
      say({ k: "provide", id: 1, service: "raw", commands: [{ name: "read", reply: "stream" }] });
    };
    socket.onmessage = ({ data }) => {
      const { k, id, items, bytes } = JSON.parse(data);
      if (k === "call") for (let sent = 0; sent < 32; sent += 1) socket.send(`{"k":"item","id":${id},"d":${written}}`);
      if (k === "credit") {
        granted.push([items, bytes]);
        say({ k: "reply", id });
      }
    };
    let count = 0;
    for await (const { bytes } of askr.stream("raw.read", null, { wait: 5000 })) count += bytes.length;
    same([count, granted], [64, [[32, 32 * size]]]);
    socket.close();
  },

  async leaving_a_stream_ends_it_at_its_source(askr) {
    const ended = await ears(askr, "DESK_STREAM_ENDED");
    for await (const number of askr.stream("desk.endless")) if (number === 200) break;
    await ended.until(1);
    ended.stop();
  },

  async a_stream_that_fails_throws_behind_its_items(askr) {
    const items = [];
    const read = async () => {
      for await (const item of askr.stream("desk.broken")) items.push(item);
    };
    await fault(read(), "page_missing");
    same(items, [1, 2]);
    await fault(askr.stream("desk.echo").next(), "bad_request");
  },

  async a_large_value_is_put_together(askr) {
    const value = await askr.send("desk.large", { of: 3_000_000 });
    same([value.length, value[0], value[2_999_999]], [3_000_000, 120, 120]);
  },

  async a_payload_that_is_too_large_is_refused_before_it_is_sent(askr) {
    const most = askr.welcome.limits.payload_bytes_max;
    const error = await fault(askr.send("desk.upper", new Uint8Array(most + 1)), "payload_too_large");
    same(error.at, "here");
    await fault(askr.emit("LARGE", "x".repeat(most)), "payload_too_large");
    same((await askr.send("desk.upper", new Uint8Array(most))).length, most);
  },

  async what_is_no_json_is_refused_before_it_is_sent(askr) {
    let said;
    await askr.send("desk.echo", { value: 1n }).catch((error) => { said = error; });
    same(said instanceof TypeError, true);
    await fault(askr.send("desk.echo", { value: "\ud83d" }), "bad_request");
    await fault(askr.send("desk.echo", nested(64)), "bad_request");
    same(await askr.send("desk.echo", { value: nested(62) }), nested(62));
    same(await askr.send("desk.echo", { value: `"${"[".repeat(99)}\\` }), `"${"[".repeat(99)}\\`);
    same(await askr.send("desk.echo", { value: "😀 \\ud83d \\\\" }), "😀 \\ud83d \\\\");
  },

  async an_event_is_heard_by_each_callback_that_fits_once(askr) {
    const ways = ["ORDER.*.paid", "ORDER.**", "ORDER.eu.paid", "*.e*.p*d", "ORDER.*", "ORDER.eu.paid.late"];
    const all = [];
    for (const way of ways) all.push(await ears(askr, way));
    same((await askr.emit("ORDER.eu.paid", { id: 1 }, { confirm: true })).receivers, 1);
    await askr.emit("ORDER.end");
    await all[4].until(1);
    same(all.map(({ heard }) => heard.map(({ event }) => event)),
      [["ORDER.eu.paid"], ["ORDER.eu.paid", "ORDER.end"], ["ORDER.eu.paid"], ["ORDER.eu.paid"], ["ORDER.end"], []]);
    const [{ payload, from, seq, ts }] = all[0].heard;
    same([payload, from.instance === askr.welcome.instance, seq > 0, ts > 1e12], [{ id: 1 }, true, true, true]);
    for (const { stop } of all) stop();
    same((await askr.emit("ORDER.eu.paid", 2, { confirm: true })).receivers, 0);
  },

  async events_arrive_in_the_order_they_were_emitted(askr) {
    const numbers = await ears(askr, "NUMBER");
    for (let number = 0; number < 3000; number += 1) askr.emit("NUMBER", number);
    await numbers.until(3000);
    same(numbers.heard.every(({ payload }, at) => payload === at), true);
    numbers.stop();
  },

  async bytes_are_heard_as_bytes(askr) {
    const heard = await ears(askr, "RAW");
    await askr.emit("RAW", new Uint8Array([0, 255, 128]));
    await heard.until(1);
    same(heard.heard[0].payload, new Uint8Array([0, 255, 128]));
    heard.stop();
  },

  async a_callback_that_throws_harms_no_other(askr) {
    const [faults, told] = [[], askr.onerror];
    askr.onerror = (error) => faults.push(error.message);
    const stops = [
      await askr.on("HARM", () => { throw new Error("thrown"); }),
      await askr.on("HARM", async () => { throw new Error("rejected"); }),
    ];
    const other = await ears(askr, "HARM");
    await askr.emit("HARM");
    await other.until(1);
    await until(() => faults.length === 2, "both faults are told");
    same(faults, ["thrown", "rejected"]);
    askr.onerror = told;
    for (const stop of [...stops, other.stop]) stop();
  },

  async an_event_that_nobody_awaits_is_refused_aloud(askr) {
    const faults = [];
    askr.onerror = (error) => faults.push(error.code);
    await askr.emit("a b");
    await until(() => faults.length, "the daemon's word is told");
    same(faults, ["bad_request"]);
  },

  async an_answer_that_cannot_be_sent_is_a_failure(askr, at) {
    const withdraw = await askr.provide("odd", {
      deep: () => nested(64),
      half: () => "\udc00",
      details: () => { throw new at.askr.AskrError({ code: "odd", details: "text" }); },
      heavy: () => { throw new at.askr.AskrError({ code: "odd", details: { text: "x".repeat(2_000_000) } }); },
      code: () => { throw new at.askr.AskrError({ code: "Not a code" }); },
    });
    await fault(askr.send("odd.deep"), "bad_request");
    await fault(askr.send("odd.half"), "bad_request");
    same((await fault(askr.send("odd.details"), "odd")).details, { details: "text" });
    same((await fault(askr.send("odd.heavy"), "odd")).details, {});
    await fault(askr.send("odd.code"), "handler_error");
    await withdraw();
  },

  async a_pattern_that_is_none_is_refused(askr) {
    for (const pattern of ["a b", "", "a.**.b"]) await fault(askr.on(pattern, () => {}), "bad_request");
    await fault(askr.listen("a b").next(), "bad_request");
    await fault(askr.emit("a*", null, { confirm: true }), "bad_request");
  },

  async listen_ends_after_its_count_and_by_its_signal(askr) {
    const first = askr.listen("LISTENED", { count: 2 });
    const begun = first.next();
    for (let ready = false; !ready;) ready = (await askr.emit("LISTENED", 1, { confirm: true })).receivers === 1;
    same((await begun).value.payload, 1);
    await askr.emit("LISTENED", 2);
    same((await first.next()).done, false);
    same((await first.next()).done, true);
    const control = new AbortController();
    const second = askr.listen("NEVER", { signal: control.signal }).next();
    control.abort();
    same((await second).done, true);
  },

  async with_since_what_was_emitted_before_is_heard_first(askr) {
    const here = `SINCE.${askr.welcome.instance}`; // Others may have emitted some before.
    for (const number of [1, 2]) await askr.emit(`${here}.a`, number, { confirm: true });
    await askr.emit(`${here}not`, 0, { confirm: true });
    const brief = ({ payload, kept, retained }) => [payload, kept, retained];
    const late = await ears(askr, `${here}.*`, { since: 60_000 });
    const deaf = await ears(askr, `${here}.*`);
    const none = await ears(askr, `${here}.*`, { since: 0 });
    await askr.emit(`${here}.b`, 3);
    for (const [one, count] of [[late, 3], [deaf, 1], [none, 1]]) await one.until(count);
    same(late.heard.map(brief), [[1, true, false], [2, true, false], [3, false, false]]);
    same([deaf, none].map(({ heard }) => heard.map(brief)), [[[3, false, false]], [[3, false, false]]]);
    same(late.heard.map(({ event, from }) => [event, from.instance === askr.welcome.instance]),
      [[`${here}.a`, true], [`${here}.a`, true], [`${here}.b`, true]]);
    for (const { stop } of [late, deaf, none]) stop();
    const looped = [];
    for await (const event of askr.listen(`${here}.*`, { since: 60_000, count: 3 })) {
      if (!event.gap) looped.push(brief(event)); // What other checks flooded may be forgotten by now.
    }
    same(looped, [[1, true, false], [2, true, false], [3, true, false]]);
    await fault(askr.on(`${here}.*`, () => {}, { since: -1 }), "bad_request");
  },

  async with_retained_the_last_event_of_each_subject_is_heard_first(askr) {
    const brief = ({ event, payload, kept, retained }) => [event.at(-1), payload, kept, retained];
    await askr.emit("RETAINED.a", 1, { retain: true });
    await askr.emit("RETAINED.a", 2, { retain: true });
    const { seq } = await askr.emit("RETAINED.b", new Uint8Array([3]), { retain: true });
    await askr.emit("RETAINED.a", "passes by", { confirm: true });
    const [asked, unsaid, refused] = [
      await ears(askr, "RETAINED.*", { retained: true }),
      await ears(askr, "RETAINED.*"),
      await ears(askr, "RETAINED.*", { retained: false }),
    ];
    await askr.emit("RETAINED.a", 4, { retain: true });
    for (const [one, count] of [[asked, 3], [unsaid, 3], [refused, 1]]) await one.until(count);
    const all = [["a", 2, true, true], ["b", new Uint8Array([3]), true, true], ["a", 4, false, false]];
    same([asked, unsaid, refused].map(({ heard }) => heard.map(brief)), [all, all, all.slice(2)]);
    same(asked.heard[1].seq, seq);
    for (const { stop } of [asked, unsaid, refused]) stop();
    const looped = [];
    for await (const event of askr.listen("RETAINED.*", { retained: true, count: 2 })) looped.push(brief(event));
    same(looped, [all[1], ["a", 4, true, true]]);
    for (const name of ["a", "b"]) await askr.emit(`RETAINED.${name}`, undefined, { retain: true });
    const nothing = await ears(askr, "RETAINED.*", { retained: true });
    await askr.emit("RETAINED.end");
    await nothing.until(1);
    same(nothing.heard.map(brief), [["d", null, false, false]]);
    nothing.stop();
  },

  async members_of_a_group_share_events(askr, at) {
    const other = await at.askr.connect(at.url, { name: "member" });
    const members = [
      await ears(askr, "SHARED.*", { group: "workers" }),
      await ears(askr, "SHARED.*", { group: "workers" }),
      await ears(other, "SHARED.*", { group: "workers" }),
    ];
    const [alone, another] = [await ears(askr, "SHARED.*"), await ears(other, "SHARED.*", { group: "others" })];
    const told = [];
    for (let number = 0; number < 30; number += 1) told.push((await askr.emit("SHARED.x", number, { confirm: true })).receivers);
    const count = () => members.reduce((sum, { heard }) => sum + heard.length, 0);
    for (const one of [alone, another]) await one.until(30);
    await until(() => count() >= 30, "all of them are heard");
    const numbers = ({ heard }) => heard.map(({ payload }) => payload);
    const every = [...Array(30).keys()];
    same([new Set(told).size, told[0]], [1, 3]);
    same(members.flatMap(numbers).sort((one, two) => one - two), every);
    same(members.map(({ heard }) => heard.length), [10, 10, 10]);
    same([alone, another].map(numbers), [every, every]);
    members[0].stop();
    await other.close();
    for (let left = 0; left !== 2;) left = (await askr.emit("SHARED.x", "left", { confirm: true })).receivers;
    await until(() => numbers(members[1]).at(-1) === "left", "the last member hears all");
    await fault(askr.on("SHARED.*", () => {}, { group: "workers", since: 1000 }), "bad_request");
    await fault(askr.on("SHARED.*", () => {}, { group: "workers", retained: true }), "bad_request");
    await fault(askr.on("SHARED.*", () => {}, { group: "two words" }), "bad_request");
    const events = askr.listen("SHARED.*", { group: "loop" });
    const first = events.next();
    for (let ready = false; !ready;) ready = (await askr.emit("SHARED.x", "looped", { confirm: true })).receivers === 3;
    same((await first).value.payload, "looped");
    await events.return();
    for (const { stop } of [members[1], alone]) stop();
  },

  async after_a_lost_connection_what_is_retained_comes_again_and_the_group_goes_on(askr, at) {
    const [Socket, sockets] = [globalThis.WebSocket, []];
    globalThis.WebSocket = class extends Socket {
      constructor(...words) {
        super(...words);
        sockets.push(this);
      }
    };
    const other = await at.askr.connect(at.url, { name: "cut" }).finally(() => { globalThis.WebSocket = Socket; });
    const here = `AGAIN.${askr.welcome.instance}`; // Others may have emitted some before.
    await askr.emit(`${here}.kept`, 1, { retain: true });
    await askr.emit(`${here}.told`, 2, { confirm: true });
    const gaps = [];
    const gap = ({ missed }) => missed === null && gaps.push(missed);
    const ways = [{ since: 60_000, retained: false, gap }, { retained: true, gap }, { group: "again", gap }];
    const [since, retained, group] = await Promise.all(ways.map((options) => ears(other, `${here}.*`, options)));
    await since.until(2);
    sockets[0].close();
    await until(() => gaps.length === 3, "each of them is told that it was away");
    for (let ready = 0; ready !== 2;) ready = (await askr.emit(`${here}.end`, 3, { confirm: true })).receivers;
    const last = ({ heard }) => heard.at(-1)?.payload === 3;
    await until(() => [since, retained, group].every(last), "all of them hear again");
    const before = ({ heard }) => heard.filter(({ kept }) => kept).map(({ payload }) => payload);
    same([since, retained, group].map(before), [[1, 2], [1, 1], []]);
    await askr.emit(`${here}.kept`, undefined, { retain: true });
    other.close();
  },

  async a_reader_that_is_too_slow_is_told_how_many_it_missed(askr) {
    const events = askr.listen("FLOOD", {});
    const first = events.next();
    for (let ready = false; !ready;) ready = (await askr.emit("FLOOD", -1, { confirm: true })).receivers === 1;
    same((await first).value.payload, -1);
    for (let sent = 0; sent < 10_500; sent += 500) {
      for (let number = 0; number < 499; number += 1) askr.emit("FLOOD", number);
      await askr.emit("FLOOD", 499, { confirm: true });
    }
    await askr.send("desk.echo");
    const gap = (await events.next()).value.gap;
    let rest = 0;
    for (let last = null; last !== "end"; rest += 1) {
      if (rest === 0) await askr.emit("FLOOD", "end");
      const { value } = await events.next();
      last = value.gap ? null : value.payload;
    }
    same([gap.missed > 0, gap.missed + rest >= 10_500], [true, true]);
    await events.return();
  },

  async patterns_fit_as_the_daemon_says(askr, at) {
    const wrong = [];
    for (const { text, matches, misses } of at.vectors) {
      const fits = at.askr.fitting(text);
      for (const subject of matches) if (!fits(subject)) wrong.push([text, subject, false]);
      for (const subject of misses) if (fits(subject)) wrong.push([text, subject, true]);
    }
    same(wrong, []);
    const slow = at.askr.fitting("*a".repeat(90));
    same(slow("a".repeat(190) + "b"), false);
  },

  async state_is_written_and_read(askr) {
    const { state } = askr;
    same(await state.get("page/none"), null);
    const { rev, changed } = await state.set("page/theme", { dark: true });
    same(changed, true);
    same((await state.set("page/theme", { dark: true })).changed, false);
    const entry = await state.get("page/theme");
    same([entry.key, entry.value, entry.rev, entry.ts > 1e12], ["page/theme", { dark: true }, rev, true]);
    same((await state.patch("page/theme", { size: 2 })).value, { dark: true, size: 2 });
    same((await state.incr("page/visits")).value + (await state.incr("page/visits", 4)).value, 6);
    await state.set("page/raw", new Uint8Array([1, 2]));
    same((await state.entries("page")).map(({ key, value }) => [key, value]).sort(), [
      ["page/raw", new Uint8Array([1, 2])], ["page/theme", { dark: true, size: 2 }], ["page/visits", 5]]);
    const conflict = await fault(state.set("page/theme", 1, { ifRev: rev }), "conflict");
    same(conflict.details.rev > rev, true);
    await fault(state.set("page/theme", 1, { ifRev: 0 }), "conflict");
    await state.set("page/brief", 1, { ttl: 60_000, ephemeral: true });
    for (const { key } of await state.entries("page")) await state.delete(key);
    same(await state.entries("page"), []);
    await fault(state.delete("page/theme"), "not_found");
  },

  async a_watch_tells_what_is_there_and_then_each_change(askr) {
    const { state } = askr;
    await state.set("watched/a", 1);
    const [one, two] = [[], []];
    const brief = (told) => (change) => told.push(change.synced ? "synced" : [change.op, change.key, change.value ?? null]);
    const stops = [await state.watch("watched", brief(one)), await state.watch("watched/b", brief(two))];
    await state.set("watched/b", 2);
    await state.set("watchedb", 3);
    await state.delete("watched/a");
    await until(() => one.length === 4 && two.length === 2, "both are told");
    same(one, [["set", "watched/a", 1], "synced", ["set", "watched/b", 2], ["del", "watched/a", null]]);
    same(two, ["synced", ["set", "watched/b", 2]]);
    for (const stop of stops) stop();
    await state.set("watched/b", 9);
    same([one.length, two.length], [4, 2]);
    await state.delete("watched/b");
    await state.delete("watchedb");
  },

  async who_is_there_can_be_watched(askr) {
    const seen = [];
    const stop = await askr.state.watch("$askr/services", ({ key }) => key && seen.push(key));
    same(seen.some((key) => key.startsWith("$askr/services/desk/")), true);
    stop();
  },

  async a_page_offers_commands(askr, at) {
    const faults = [];
    const told = askr.onerror;
    askr.onerror = (error) => faults.push(error.message);
    const withdraw = await askr.provide("greeter", {
      hello: ({ name }, { from }) => `hi ${name}, ${from.service} asks`,
      fail: () => { throw new at.askr.AskrError({ code: "no_hello", message: "not today", details: { until: 9 } }); },
      crash: async () => { throw new Error("secret"); },
      big: () => "x".repeat(2_000_000),
      shout: (bytes) => new TextEncoder().encode(new TextDecoder().decode(bytes).toUpperCase()),
      described: { handler: () => "it is", doc: "Says so.", idempotent: true },
    }, { version: "1.2.3", doc: "Greets." });
    const by_agent = await askr.send("desk.ask", { target: "greeter.hello", payload: { name: "you" } });
    same(by_agent, "hi you, desk asks");
    same(await askr.send("hello", { name: "me" }), "hi me, greeter asks");
    const failed = await fault(askr.send("greeter.fail"), "no_hello");
    same([failed.message, failed.details, failed.at], ["not today", { until: 9 }, "handler"]);
    same((await fault(askr.send("greeter.crash"), "handler_error")).message.includes("secret"), false);
    same(faults, ["secret"]);
    await fault(askr.send("greeter.big"), "payload_too_large");
    same(await askr.send("greeter.shout", new Uint8Array([104, 105])), new Uint8Array([72, 73]));
    const { commands, version } = await askr.send("$askr.describe", { target: "greeter" });
    same([version, commands.length], ["1.2.3", 6]);
    same((await askr.send("$askr.describe", { target: "greeter.described" })).doc, "Says so.");
    await fault(askr.provide("greeter", {}), "bad_request");
    await withdraw();
    await fault(askr.send("greeter.hello", {}), "no_instance");
    askr.onerror = told;
  },

  async a_page_streams_under_the_credit_of_its_reader(askr) {
    let made = 0;
    const withdraw = await askr.provide("source", {
      async *count({ to }) { for (let n = 1; n <= to; n += 1) { made = n; yield n; } },
      *heavy() { for (let n = 0; n < 30; n += 1) yield { text: "x".repeat(50_000) }; },
    });
    const items = [];
    for await (const item of askr.stream("source.count", { to: 500 })) items.push(item);
    same([items.length, items[499]], [500, 500]);
    const slow = askr.stream("source.count", { to: 500 });
    await slow.next();
    await askr.send("desk.echo");
    same(made <= 66, true);
    await slow.return();
    let bytes = 0;
    for await (const { text } of askr.stream("source.heavy")) bytes += text.length;
    same(bytes, 1_500_000);
    same(await askr.send("source.count", { to: 3 }), [1, 2, 3]);
    same(await askr.send("desk.ask", { target: "source.count", payload: { to: 2 } }), [1, 2]);
    await fault(askr.send("source.heavy"), "payload_too_large");
    await withdraw();
  },

  async a_handler_hears_that_its_command_was_cancelled(askr) {
    let reason = null;
    let began = false;
    const withdraw = await askr.provide("waiter", {
      wait: (_, { signal }) => new Promise((_resolve, reject) => {
        began = true;
        signal.addEventListener("abort", () => { reason = signal.reason.message; reject(signal.reason); });
      }),
    });
    const control = new AbortController();
    const sent = askr.send("waiter.wait", null, { signal: control.signal });
    await until(() => began, "it began");
    control.abort();
    await fault(sent, "cancelled");
    await until(() => reason, "the handler hears it");
    same(reason, "caller");
    await withdraw();
  },

  async a_command_of_a_command_is_one_deeper_and_has_less_time(askr) {
    const withdraw = await askr.provide("between", {
      ask: (_, context) => context.send("desk.said"),
      loop: (_, context) => context.send("between.loop"),
      tell: (_, context) => context.emit("BETWEEN"),
      accept: (_, context) => context.send("desk.wait", null, { timeout: 100 }),
    });
    const said = await askr.send("between.ask", null, { timeout: 3000, headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } });
    same([said.hops, said.remaining <= 3, said.headers.traceparent.slice(3, 35)], [1, true, "0af7651916cd43dd8448eb211c80319c"]);
    await fault(askr.send("between.loop"), "bad_request");
    same(await askr.send("between.tell"), null);
    same(await askr.send("between.accept", null, { reply: "ack" }), null);
    await withdraw();
  },

  async who_is_not_answered_in_time_is_told_so(askr, at) {
    const error = await fault(at.askr.connect("ws://127.0.0.1:1", { timeout: 300 }), "connection_lost");
    same(error.at, "here");
    await fault(at.askr.connect(at.url, { name: "not a word" }), "bad_request");
    await fault(at.askr.connect(at.url, { workspace: "Not One" }), "bad_request");
    await fault(at.askr.connect("nowhere:1"), "bad_request");
  },

  async what_waits_for_a_connection_is_bounded(askr, at) {
    const lost = new at.askr.Askr("ws://127.0.0.1:1");
    const codes = [];
    const note = (error) => codes.push(error.code);
    for (let sent = 0; sent < 10_000; sent += 1) lost.send("desk.echo").catch(note);
    const error = await fault(lost.send("desk.echo"), "limit_exceeded");
    same([error.at, error.retryable, codes.length], ["here", true, 0]);
    const control = new AbortController();
    lost.close();
    await until(() => codes.length === 10_000, "all of them fail");
    same(new Set(codes).size, 1);
    const other = new at.askr.Askr("ws://127.0.0.1:1");
    for (let sent = 0; sent < 8; sent += 1) other.emit("LARGE", "x".repeat(1_048_000));
    await fault(other.emit("LARGE", "x".repeat(1_048_000)), "limit_exceeded");
    const sent = other.send("desk.echo", null, { signal: control.signal });
    control.abort();
    await fault(sent, "cancelled");
    await fault(other.send("desk.echo", null, { timeout: 30 }), "connection_lost");
    other.close();
  },

  async a_closed_client_fails_what_it_had_and_what_comes(askr, at) {
    const other = await at.askr.connect(at.url, { name: "brief" });
    same([other.welcome.id.startsWith("askr-brief-"), other.welcome.workspace], [true, "askr"]);
    const events = other.listen("BRIEF");
    const loop = events.next();
    for (let ready = false; !ready;) ready = (await askr.emit("BRIEF", 1, { confirm: true })).receivers === 1;
    same((await loop).value.payload, 1);
    const sent = other.send("desk.wait");
    other.close();
    await fault(sent, "connection_lost");
    while (!(await events.next()).done);
    await fault(other.send("desk.echo"), "connection_lost");
    await fault(other.on("X", () => {}), "connection_lost");
    other.emit("NOBODY_AWAITS_THIS");
    other.close();
  },
};

/** Runs one check; returns what went wrong, empty when nothing did. */
export async function run(name, at) {
  let client;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} does not end`)), CHECK_MS);
  });
  try {
    client = await at.askr.connect(at.url, { name: "checks" });
    await Promise.race([checks[name](client, at), late]);
    return "";
  } catch (error) {
    return `${error.name} ${error.code ?? ""}: ${error.message}\n${error.stack}`;
  } finally {
    clearTimeout(timer);
    client?.close();
  }
}

export { until };
