// Searches as the page does: reads { portals, language, queries } on STDIN, prints the first "portal/slot" of each query.
import { readFileSync } from "node:fs";

const { portals, language, sentences, queries } = JSON.parse(readFileSync(0, "utf8"));
globalThis.document = { documentElement: {} };
globalThis.fetch = async () => ({ ok: true, json: async () => sentences });
const { speak } = await import("../../../page/i18n.js");
const { search } = await import("../../../page/search.js");
await speak(language);
const first = queries.map((query) => {
  const [best] = search(portals, query);
  return best ? `${best.portal.portal}/${best.slots[0].slot}` : null;
});
process.stdout.write(JSON.stringify(first));
