/**
 * Elements made from text and attributes alone.
 *
 * Nothing here parses HTML: a file's name, a portal's words and text that was read reach the document as text nodes or
 * as attributes of a fixed list, so that Trusted Types hold and hostile words stay words.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, unknown>} Attributes */

const SVG = "http://www.w3.org/2000/svg";
const LINKS = new Set(["http:", "https:", "blob:", "mailto:"]);

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes] `class`, `on…` handlers (functions), properties as booleans, else attributes;
 *   null, undefined and false are left out.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  decorate(element, attributes ?? {});
  put(element, children);
  return element;
}

/**
 * Make an SVG element.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes, ...children) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  decorate(element, attributes ?? {});
  put(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 */
function decorate(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name} takes a function`);
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else if (name === "value" && "value" in element) {
      /** @type {HTMLInputElement} */ (element).value = String(value);
    } else if (name === "href" && element instanceof HTMLAnchorElement) {
      element.setAttribute("href", safeLink(String(value)));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * Return the address when a person may be sent there, else "#": no `javascript:` and no `data:`.
 *
 * @param {string} address
 */
function safeLink(address) {
  try {
    return LINKS.has(new URL(address, document.baseURI).protocol) ? address : "#";
  } catch {
    return "#";
  }
}

// What would turn the direction of a line, or is no letter: a stranger's name changes nothing around it.
const STEERING = /[\p{Bidi_C}\p{Cc}]/gu;

/**
 * Replace everything inside an element.
 *
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  put(parent, children);
}

/**
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
function put(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child).replace(STEERING, "\ufffd")));
  }
}

/**
 * Find the one element that is there.
 *
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function one(selector) {
  const found = document.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`no ${selector} in the page`);
  return found;
}

/**
 * Say something to a screen reader: politely, or at once when it is urgent.
 *
 * @param {string} text
 * @param {"status" | "alert"} [how]
 */
export function announce(text, how = "status") {
  const region = one(how === "alert" ? "#alert" : "#status");
  region.textContent = "";
  // The same sentence twice is read twice only when the region was empty in between.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}
