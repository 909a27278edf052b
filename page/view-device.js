/**
 * The account and what this device knows: credits, files made here, signing out, forgetting everything.
 */

import { announce, fill, h } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { slotName } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { all, forgetEverything } from "./storage.js";
import { creditsOf } from "./view-make.js";
import { back, MissingError } from "./view.js";

/** @param {import("./view.js").App} app @returns {Promise<import("./view.js").View>} */
export async function deviceView(app) {
  if (!app.auth) throw new MissingError("device");
  const account = h("section", { class: "card stack", "aria-labelledby": "account" });
  const show = async () => {
    const session = app.auth?.session ?? null;
    if (session === null)
      return fill(account, h("div", { id: "account", class: "stack" }, ...signInFields(app, () => void show())));
    const credits = h("p", null, t("device.credits.asking"));
    const guest = session.user.is_anonymous === true;
    fill(
      account,
      h("h2", { id: "account" }, t("device.account")),
      h("p", null, guest ? t("device.guest") : t("device.as", { email: session.user.email ?? "" })),
      credits,
      guest && h("div", { class: "stack" }, ...signInFields(app, () => void show(), true)),
      h(
        "div",
        null,
        h(
          "button",
          {
            class: "button",
            type: "button",
            onclick: async () => (await app.auth?.signOut(), announce(t("device.signed_out")), void show()),
          },
          t("device.sign_out"),
        ),
      ),
    );
    const available = await creditsOf(app, account);
    credits.textContent =
      available === null ? t("device.credits.unknown") : t("device.credits", { count: number(available) });
  };
  const orders = await all("orders");
  const known = new Map((await all("history")).map((line) => [line.order, line]));
  const lines = [...orders.map((order) => ({ ...order, filename: known.get(order.id)?.filename }))].sort(
    (one, other) => other.created_at - one.created_at,
  );
  const forget = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: async () => {
        if (forget.dataset["sure"] !== "yes") {
          forget.dataset["sure"] = "yes";
          forget.replaceChildren(icon("trash"), t("device.forget.sure"));
          return;
        }
        await forgetEverything();
        app.drafts.clear();
        announce(t("device.forgotten"));
        app.again();
      },
    },
    icon("trash"),
    t("device.forget"),
  );
  void show();
  return {
    title: t("device.title"),
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h("div", { class: "stack tight" }, back("/", t("home.back")), h("h1", null, t("device.title"))),
        account,
        h(
          "section",
          { class: "stack", "aria-labelledby": "history" },
          h("h2", { id: "history" }, t("device.history")),
          lines.length === 0
            ? h("p", { class: "quiet" }, t("device.history.none"))
            : h(
                "ul",
                { class: "list" },
                lines.map((line) =>
                  h(
                    "li",
                    null,
                    h(
                      "a",
                      { class: "line", href: `#/o/${line.id}` },
                      h(
                        "span",
                        { class: "grow stack tight" },
                        h("strong", null, line.filename ?? `${slotName(line.slot)} · ${line.portal_name}`),
                        h(
                          "span",
                          { class: "small quiet" },
                          `${slotName(line.slot)} · ${line.portal_name} · ${moment(line.created_at)} · ${t(`order.${line.state}`)}`,
                        ),
                      ),
                      icon("next"),
                    ),
                  ),
                ),
              ),
          h("p", { class: "small quiet" }, t("device.history.what")),
          h("div", null, forget),
        ),
      ),
    ],
  };
}
