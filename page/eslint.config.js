// Correctness first; format is Prettier's. HTML from strings, eval and inline code are refused: the page's Content
// Security Policy refuses them too (Trusted Types).
import js from "@eslint/js";
import globals from "globals";

const NO_MARKUP = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "srcdoc"].map((name) => ({
  selector: name.includes(".")
    ? "CallExpression[callee.object.name='document'][callee.property.name='write']"
    : `MemberExpression[property.name='${name}']`,
  message: "Build nodes and set textContent: the policy refuses markup from strings.",
}));

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2025, sourceType: "module", globals: { ...globals.browser } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-syntax": ["error", ...NO_MARKUP],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Keys and ids come from crypto.getRandomValues." },
      ],
    },
  },
  { files: ["sw.js"], languageOptions: { globals: { ...globals.serviceworker } } },
  { files: ["**/*-worker.js"], languageOptions: { globals: { ...globals.worker } } },
];
