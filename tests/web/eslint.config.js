import js from "@eslint/js";

// Browser globals that web/ uses. Any other is an error, and no variable may shadow one of these.
const BROWSER = [
  ...["AbortController", "Blob", "Element", "EventTarget", "FormData", "HTMLElement", "HTMLMediaElement", "Image"],
  ...["KeyboardEvent", "MutationObserver", "Node", "Path2D", "ResizeObserver", "TextDecoder", "TextEncoder", "URL"],
  ...["URLSearchParams", "WheelEvent", "cancelAnimationFrame", "clearInterval", "clearTimeout", "console"],
  ...["createImageBitmap", "crypto"],
  ...["devicePixelRatio", "document", "fetch", "getComputedStyle", "matchMedia", "navigator", "performance"],
  ...["requestAnimationFrame", "setInterval", "setTimeout", "window"],
];
const PURE = ["web/trajectory/**", "web/editor/state/**", "web/editor/strings/strings.js"];

export default [
  js.configs.recommended,
  {
    files: ["web/**/*.js"],
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-shadow": ["error", { builtinGlobals: true }],
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "prefer-const": ["error", { destructuring: "all" }],
    },
  },
  // No global is known here, so no-shadow would accept a trajectory with the name document.
  { files: PURE, rules: { "id-denylist": ["error", "document"] } },
  {
    files: ["web/**/*.js"],
    ignores: PURE,
    languageOptions: { globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])) },
  },
];
