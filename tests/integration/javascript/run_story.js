/** Tells a story in Node or Deno: `run_story.js URL MODULE NAME`; prints its words, then what was seen. */

import process from "node:process";
import * as stories from "./story.js";

const [url, module, name] = process.argv.slice(2);
console.log(JSON.stringify(await stories[name]({ url, askr: await import(module) }, (word) => console.log(word))));
