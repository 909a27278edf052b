// Lets Python's tests use rythmiq.js: one JSON document a line in, one out; one with a URL makes a new client.
// Bytes are {"bytes": base64}.
import { createInterface } from "node:readline";
import { Client } from "../../page/rythmiq.js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const base64 = (data) => Buffer.from(data).toString("base64");
const hear = async () => {
  const { value, done } = await lines.next();
  if (done) process.exit(0);
  return JSON.parse(value, (_name, item) =>
    item && typeof item.bytes === "string" ? new Uint8Array(Buffer.from(item.bytes, "base64")) : item,
  );
};

const token = async () => {
  say({ ask: "token" });
  return (await hear()).token;
};
let client;
for (;;) {
  const { url, options, asksForTokens, method, args } = await hear();
  try {
    if (url) {
      client = new Client(url, { ...options, ...(asksForTokens && { token }) });
      say({ result: null });
      continue;
    }
    const last = args.at(-1);
    if (last?.tellsProgress) last.onProgress = (sent, total) => say({ sent, total });
    const answer = client[method](...args);
    if (answer?.[Symbol.asyncIterator]) {
      for await (const item of answer) say({ item });
      say({ result: null });
    } else {
      const result = await answer;
      say({ result: result instanceof Uint8Array ? { bytes: base64(result) } : (result ?? null) });
    }
  } catch (error) {
    const { code, jobId, requestId, status, errors, retryAfterS, view } = error;
    say({
      failed: { kind: error.name, detail: error.message, code, jobId, requestId, status, errors, retryAfterS, view },
    });
  }
}
