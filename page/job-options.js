/**
 * What a person may choose beside the file: a caption, a white background, text that can be searched.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { more } from "./view.js";

/**
 * Fields of what the slot allows; null where it allows nothing.
 *
 * @param {import("./rule-book.js").Slot} slot
 * @param {Record<string, any>} chosen
 * @param {(options: Record<string, unknown>) => void} onChange
 */
export function optionFields(slot, chosen, onChange) {
  const options = { ...chosen };
  const set = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    if (value === undefined) delete options[name];
    else options[name] = value;
    onChange({ ...options });
  };
  /** @type {HTMLElement[]} */
  const fields = [];
  if (slot.background_edit === "allowed")
    fields.push(
      tick(t("option.background"), t("option.background.what"), chosen.background === "white", (on) =>
        set("background", on ? "white" : undefined),
      ),
    );
  if (slot.text_layer === "allowed")
    fields.push(
      tick(t("option.text"), t("option.text.what"), chosen.text_layer === true, (on) =>
        set("text_layer", on || undefined),
      ),
    );
  if (slot.caption === "allowed" || slot.caption === "required") {
    const name = h("input", {
      class: "input",
      id: "caption-name",
      maxlength: "60",
      autocomplete: "name",
      value: chosen.caption?.name ?? "",
      oninput: () => caption(),
    });
    const date = h("input", {
      class: "input",
      id: "caption-date",
      type: "date",
      value: chosen.caption?.date ?? "",
      oninput: () => caption(),
    });
    const wrong = h("p", { class: "small", id: "caption-wrong", role: "status" });
    const caption = () => {
      const legal = /^[A-Za-z0-9 .'\-,()/]{1,60}$/.test(name.value.trim());
      const isHalf = Boolean(name.value) !== Boolean(date.value);
      wrong.textContent = name.value && !legal ? t("option.caption.latin") : isHalf ? t("option.caption.both") : "";
      name.setAttribute("aria-invalid", String(Boolean(name.value) && !legal));
      set("caption", legal && date.value ? { name: name.value.trim(), date: date.value } : undefined);
    };
    name.setAttribute("aria-describedby", "caption-wrong");
    fields.push(
      h(
        "fieldset",
        { class: "stack" },
        h("legend", { class: "label" }, t("option.caption")),
        h("p", { class: "small quiet" }, t("option.caption.what")),
        h("div", { class: "field" }, h("label", { for: "caption-name" }, t("option.caption.name")), name, wrong),
        h("div", { class: "field" }, h("label", { for: "caption-date" }, t("option.caption.date")), date),
      ),
    );
  }
  return fields.length === 0 ? null : more(t("option.title"), h("div", { class: "stack" }, fields));
}

/** @param {string} words @param {string} what @param {boolean} on @param {(on: boolean) => void} onChange */
function tick(words, what, on, onChange) {
  const box = h("input", { type: "checkbox", checked: on, onchange: () => onChange(box.checked) });
  return h(
    "label",
    { class: "choice" },
    box,
    h("span", { class: "stack tight" }, h("span", null, words), h("span", { class: "small quiet" }, what)),
  );
}
