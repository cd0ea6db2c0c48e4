/** Runs all checks in Node or Deno: `run_checks.js URL MODULE < vectors`; prints a JSON line for each. */

import { text } from "node:stream/consumers";
import process from "node:process";
import { checks, run } from "./checks.js";

const [url, module] = process.argv.slice(2);
const faults = [];
process.on("unhandledRejection", (error) => faults.push(String(error?.stack ?? error)));
const at = { url, askr: await import(module), vectors: JSON.parse(await text(process.stdin)) };
for (const name of Object.keys(checks)) console.log(JSON.stringify([name, await run(name, at)]));
await new Promise((resolve) => setTimeout(resolve, 50));
console.log(JSON.stringify(["no_rejection_is_left_alone", faults.join("\n")]));
