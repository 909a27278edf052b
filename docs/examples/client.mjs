// The whole flow in Node >= 20 without any package: docs/client-in-any-language.md as a program.
//   node client.mjs BASE TOKEN FILE PORTAL SLOT OUT
import { createHash, randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { open, seal } from "./rqe1.mjs";

const [, , base, token, file, portal, slot, out] = process.argv;
const plain = await readFile(file);

async function call(method, path, body, headers = {}) {
  for (;;) {
    const response = await fetch(`${base}/api${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
    if ([429, 503].includes(response.status) && response.headers.has("retry-after")) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("retry-after"))));
      continue;
    }
    const said = response.status === 304 || response.status === 204 ? null : await response.json();
    if (response.status >= 400) throw new Error(`${said.code}: ${said.detail} ${JSON.stringify(said.errors)}`);
    return { said, response };
  }
}

const announced = { filename: basename(file), mime_type: "image/jpeg", size_bytes: plain.length };
const { said: upload } = await call("POST", "/uploads", announced);
const sealed = await seal(plain, {
  storageKey: upload.raw_path,
  dataKey: upload.encryption.data_key,
  kid: upload.encryption.kid,
  wrappedKey: upload.encryption.wrapped_key,
});
const put = await fetch(upload.upload.url, { method: "PUT", headers: upload.upload.headers, body: sealed });
if (!put.ok && put.status !== 412) throw new Error(`the store answered ${put.status}`); // 412: it is there already

const order = { portal, slot, raw_path: upload.raw_path, original_filename: announced.filename };
await call("POST", "/jobs", order, { "Idempotency-Key": upload.job_id });

let [job, etag] = [null, ""];
while (!["completed", "failed"].includes(job?.status)) {
  const { said, response } = await call("GET", `/jobs/${upload.job_id}?wait=10`, null, {
    ...(etag && { "If-None-Match": etag }),
    "X-Request-Id": randomUUID(),
  });
  if (said === null) continue; // 304: nothing has changed
  [job, etag] = [said, response.headers.get("etag")];
  console.error(job.status, job.stage ?? "");
}
if (job.status === "failed") throw new Error(`${job.error.code}: ${job.error.message}`);

const download = Buffer.from(await (await fetch(job.links.document)).arrayBuffer());
const result = await open(download, { storageKey: job.artifacts.document_path, dataKey: job.encryption.data_key });
if (createHash("sha256").update(result).digest("hex") !== job.receipt.document.sha256)
  throw new Error("not the receipt's");
await writeFile(out, result);
console.log(job.receipt.document.filename, job.receipt.conforms ? "conforms" : "does not conform");
