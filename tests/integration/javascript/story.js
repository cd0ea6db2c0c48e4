/** A client whose daemon is killed and started again, in Node, Deno and a browser alike. */

import { until } from "./checks.js";

/**
 * Lives through it and returns what it saw.
 *
 * @param {{url: string, askr: object}} at
 * @param {(word: string) => void} say is told `ready`; then the daemon is to be killed and started.
 */
export async function story(at, say) {
  const askr = await at.askr.connect(at.url, { name: "survivor" });
  const saw = { connection: [], gaps: [], heard: [], watched: [], looped: [] };
  askr.onconnection = (isThere) => saw.connection.push(isThere);
  await askr.provide("survivor", { hello: () => "still here", wait: () => new Promise(() => {}) });
  await askr.on("STORY_*", ({ payload }) => saw.heard.push(payload), { gap: (gap) => saw.gaps.push(gap) });
  await askr.state.set("story/lost", 1);
  await askr.state.watch("story", (change) => saw.watched.push(change.synced === undefined ? [change.op, change.key, change.cause] : "synced"));
  const loop = (async () => {
    for await (const event of askr.listen("LOOP_*", { count: 2 })) saw.looped.push(event.gap ?? event.payload);
  })();
  while ((await askr.emit("LOOP_BEFORE", 1, { confirm: true })).receivers === 0);
  const control = askr.send("survivor.wait").catch((error) => error.code);
  await askr.send("survivor.hello");
  const before = askr.welcome;
  say("ready");
  saw.control = await control;
  const emitted = askr.emit("STORY_AFTER", 2, { confirm: true }).then(({ receivers }) => receivers);
  askr.emit("LOOP_AFTER", 2);
  const asked = askr.send("survivor.hello", null, { wait: 5_000 });
  await until(() => saw.connection.length === 2, "it comes back");
  await askr.state.set("story/new", 2);
  saw.emitted = await emitted;
  saw.asked = await asked;
  await loop;
  await until(() => saw.watched.at(-1)?.[1] === "story/new", "the watch goes on");
  saw.is_another_epoch = before.epoch !== askr.welcome.epoch;
  saw.has_its_id_again = before.id === askr.welcome.id;
  askr.close();
  return saw;
}

/** A client whose daemon is stopped in its tracks; returns what became of a command, and of the next one. */
export async function silence(at, say) {
  const askr = await at.askr.connect(at.url, { name: "patient" });
  const connection = [];
  askr.onconnection = (isThere) => connection.push(isThere);
  say("ready");
  await until(() => connection.length === 1, "it is given up");
  say("given up");
  await until(() => connection.length === 2, "it comes back");
  await askr.send("$askr.ping");
  askr.close();
  return connection;
}
