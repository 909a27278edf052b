/**
 * The page's languages: sentences by key from `en.json` and `hi.json`, numbers in Latin digits.
 *
 * Both files have the same keys; a test compares them, and the advice with the API's catalogue.
 */

import { FIRST_WORDS } from "./first-words.js";

/** @typedef {"en" | "hi"} Language */
/** @typedef {Record<string, string | number>} Parameters */

/** @type {readonly Language[]} */
const LANGUAGES = ["en", "hi"];
const KEPT = "rythmiq.language";

/** Languages are fetched when somebody speaks them. @type {Map<Language, Record<string, string>>} */
const LOADED = new Map();
/** @type {Record<string, string>} */
let sentences = {};
/** @type {Language} */
let current = "en";

/** @returns {Language} the language in use */
export function language() {
  return current;
}

/**
 * The person's language: chosen before, else the first of the browser's that we have.
 *
 * @returns {Language}
 */
export function preferredLanguage() {
  const wanted = [remembered(), ...navigator.languages];
  for (const tag of wanted) {
    const found = LANGUAGES.find((one) => tag?.toLowerCase().split("-")[0] === one);
    if (found) return found;
  }
  return "en";
}

/**
 * Say what the first picture says, until `speak` has fetched the rest.
 *
 * @param {Language} name
 */
export function begin(name) {
  sentences = FIRST_WORDS[name];
  current = name;
  document.documentElement.lang = name;
}

/**
 * Speak a language from now on.
 *
 * @param {Language} name
 * @param {boolean} [keep] whether the person chose it
 */
export async function speak(name, keep = false) {
  sentences = LOADED.get(name) ?? (await load(name));
  LOADED.set(name, sentences);
  current = name;
  document.documentElement.lang = name;
  if (keep) {
    try {
      localStorage.setItem(KEPT, name);
    } catch {
      /* a browser that keeps nothing speaks the choice until the page is closed */
    }
  }
}

/** @param {Language} name @returns {Promise<Record<string, string>>} */
async function load(name) {
  const answer = await fetch(new URL(`./${name}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`the language ${name} could not be loaded`);
  return answer.json();
}

/** @returns {string | null} */
function remembered() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

/**
 * Say a sentence; of a count of one, the sentence for one, where there is such.
 *
 * @param {string} key
 * @param {Parameters} [parameters] what stands for `{name}`
 * @returns {string} the key itself where there is no such sentence
 */
export function t(key, parameters = {}) {
  const sentence = (String(parameters["count"]) === "1" && sentences[`${key}.one`]) || sentences[key];
  return sentence === undefined ? key : filled(sentence, parameters);
}

/**
 * Whether there is such a sentence.
 *
 * @param {string} key
 */
export function has(key) {
  return Object.hasOwn(sentences, key);
}

/**
 * Put parameters into a sentence; one that is missing leaves its name.
 *
 * @param {string} sentence
 * @param {Parameters} parameters
 */
export function filled(sentence, parameters) {
  return sentence.replace(/\{([a-z0-9_]+)\}/g, (whole, name) =>
    Object.hasOwn(parameters, name) ? String(parameters[name]) : whole,
  );
}

/**
 * The sentence of one piece of advice, in the person's language.
 *
 * @param {{ code: string, parameters?: Parameters }} advice
 * @param {string} [fallback] what the API said, for a code that this page does not know
 */
export function advise(advice, fallback) {
  const parameters = advice.parameters ?? {};
  const variant = `advice.${advice.code}.${parameters.reason}`;
  if (has(variant)) return t(variant, parameters);
  return has(`advice.${advice.code}`) ? t(`advice.${advice.code}`, parameters) : (fallback ?? advice.code);
}

/**
 * A number in Latin digits, grouped as the language does.
 *
 * @param {number} value
 * @param {number} [digits] after the point, at most
 */
export function number(value, digits = 0) {
  return new Intl.NumberFormat(current === "hi" ? "hi-IN-u-nu-latn" : "en-IN", {
    maximumFractionDigits: digits,
  }).format(value);
}

/**
 * A day in words, such as 28 Nov 2026.
 *
 * @param {string | number | Date} when
 */
export function day(when) {
  return new Intl.DateTimeFormat(current === "hi" ? "hi-IN-u-nu-latn" : "en-IN", { dateStyle: "medium" }).format(
    new Date(when),
  );
}

/**
 * A day and time in words.
 *
 * @param {string | number | Date} when
 */
export function moment(when) {
  return `${day(when)}, ${clock(new Date(when))}`;
}

/**
 * A moment that is near: the time alone, if it is today.
 *
 * @param {string | number | Date} when
 */
export function hour(when) {
  const date = new Date(when);
  if (date.toDateString() !== new Date().toDateString()) return moment(date);
  return clock(date);
}

/** A time as it is said: "12:55 pm", "दोपहर 12:55". @param {Date} date */
function clock(date) {
  return current === "hi"
    ? new Intl.DateTimeFormat("hi-IN-u-nu-latn", {
        hour: "numeric",
        minute: "2-digit",
        hour12: true,
        dayPeriod: "short",
      }).format(date)
    : new Intl.DateTimeFormat("en-IN", { timeStyle: "short" }).format(date);
}
