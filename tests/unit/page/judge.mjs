// Judges files as the page does: reads [{ file, slot, name }] on STDIN, prints one list of { clause: verdict } in that order.
import { readFileSync } from "node:fs";
import { factsOf } from "../../../page/file-facts.js";
import { judge } from "../../../page/verdicts.js";

const facts = new Map();
const judged = JSON.parse(readFileSync(0, "utf8")).map(({ file, slot, name }) => {
  if (!facts.has(file)) facts.set(file, factsOf(new Uint8Array(readFileSync(file))));
  const { clauses } = judge(facts.get(file), slot, name);
  return Object.fromEntries(clauses.map(({ clause, verdict }) => [clause, verdict]));
});
process.stdout.write(JSON.stringify(judged));
