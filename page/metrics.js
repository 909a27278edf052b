/**
 * Prometheus' text format, read: families by name, and what the operator's view makes of them. No DOM.
 */

/**
 * @typedef {{ labels: Record<string, string>, value: number }} Sample
 * @typedef {{ help: string, type: string, samples: Sample[] }} Family
 * @typedef {{ stage: string, count: number, p50S: number | null, p95S: number | null, meanS: number }} StageTimes
 */

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const PARTS = /_(bucket|sum|count)$/;

/**
 * Families by name; the parts of a histogram are families of their own (`x_bucket`, `x_sum`, `x_count`).
 *
 * @param {string} text
 * @returns {Map<string, Family>}
 */
export function readMetrics(text) {
  /** @type {Map<string, Family>} */
  const families = new Map();
  /** @param {string} name */
  const family = (name) => {
    const found = families.get(name) ?? { help: "", type: "", samples: [] };
    families.set(name, found);
    return found;
  };
  for (const line of text.split("\n")) {
    const [mark, kind, name = "", ...rest] = line.split(" ");
    if (mark === "#" && kind === "HELP") family(name).help = rest.join(" ");
    else if (mark === "#" && kind === "TYPE") family(name).type = rest.join(" ");
    const match = line.startsWith("#") ? null : SAMPLE.exec(line);
    const value = Number(match?.[3]);
    if (!match || Number.isNaN(value)) continue;
    /** @type {Record<string, string>} */
    const labels = {};
    for (const [, label = "", text = ""] of (match[2] ?? "").matchAll(LABEL)) {
      labels[label] = text.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
    }
    family(match[1] ?? "").samples.push({ labels, value });
  }
  return families;
}

/**
 * Values of a family by one label, largest first.
 *
 * @param {Map<string, Family>} families
 * @param {string} name
 * @param {string} label
 * @returns {[string, number][]}
 */
export function byLabel(families, name, label) {
  const samples = families.get(name)?.samples ?? [];
  /** @type {[string, number][]} */
  const pairs = samples.map((sample) => [sample.labels[label] ?? "", sample.value]);
  return pairs.sort((one, other) => other[1] - one[1]);
}

/**
 * The one value of a family without labels, or with these; null when it is not there.
 *
 * @param {Map<string, Family>} families
 * @param {string} name
 * @param {Record<string, string>} [labels]
 */
export function valueOf(families, name, labels = {}) {
  const found = families
    .get(name)
    ?.samples.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value));
  return found?.value ?? null;
}

/**
 * Quantiles of a histogram by stage: upper bounds of the buckets that they fall into, interpolated within.
 *
 * @param {Map<string, Family>} families
 * @param {string} name without `_bucket`
 * @returns {StageTimes[]}
 */
export function stageTimes(families, name) {
  /** @type {Map<string, [number, number][]>} */
  const stages = new Map();
  for (const { labels, value } of families.get(`${name}_bucket`)?.samples ?? []) {
    const stage = labels["stage"] ?? "";
    const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
    stages.set(stage, [...(stages.get(stage) ?? []), [bound, value]]);
  }
  return [...stages].map(([stage, buckets]) => {
    buckets.sort((one, other) => one[0] - other[0]);
    const count = buckets.at(-1)?.[1] ?? 0;
    const sum = valueOf(families, `${name}_sum`, { stage }) ?? 0;
    return {
      stage,
      count,
      p50S: quantile(buckets, count * 0.5),
      p95S: quantile(buckets, count * 0.95),
      meanS: count ? sum / count : 0,
    };
  });
}

/**
 * @param {[number, number][]} buckets cumulative
 * @param {number} rank
 */
function quantile(buckets, rank) {
  if (!buckets.at(-1)?.[1]) return null;
  let [low, below] = [0, 0];
  for (const [bound, total] of buckets) {
    if (total >= rank) {
      if (bound === Infinity) return low;
      return total === below ? bound : low + ((bound - low) * (rank - below)) / (total - below);
    }
    [low, below] = [bound, total];
  }
  return low;
}

/**
 * Names of families that no part of the view shows; a histogram counts once.
 *
 * @param {Map<string, Family>} families
 * @param {Set<string>} shown
 */
export function others(families, shown) {
  return [...families.keys()].filter((name) => {
    const whole = name.replace(PARTS, "");
    return !shown.has(name) && !shown.has(whole) && (families.get(name)?.samples.length ?? 0) > 0;
  });
}

/**
 * Seconds in words: `45 s`, `3 min`, `2 h`, `5 d`.
 *
 * @param {number | null} seconds
 */
export function duration(seconds) {
  if (seconds === null) return "none";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
