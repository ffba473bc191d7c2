/**
 * Key combinations: from key events, and as text.
 *
 * A combination looks like Mod+Shift+Z, Shift+ArrowLeft, Space or ?. Mod is Ctrl, or Cmd on a Mac. Shift is only
 * written with letters and named keys, because it is part of typing a character such as ?.
 */

/**
 * @param {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey"> &
 *   Partial<Pick<KeyboardEvent, "getModifierState">>} event
 * @returns {string}
 */
export function combinationOf(event) {
  const isNamed = event.key.length > 1 || event.key === " ";
  const isAltGr = !isMac() && Boolean(event.getModifierState?.("AltGraph"));
  const letter = letterOf(event, isAltGr);
  const key = event.key === " " ? "Space" : letter ?? event.key;
  // Many layouts type [ and ] with AltGr, which Windows reports as Ctrl and Alt, or with Option on a Mac.
  const isTyping = isAltGr || (isMac() && event.altKey && !isNamed && !letter);
  const parts = [
    ...((event.ctrlKey && !isTyping) || event.metaKey ? ["Mod"] : []),
    ...(event.altKey && !isTyping ? ["Alt"] : []),
    ...(event.shiftKey && (isNamed || letter) ? ["Shift"] : []),
    key,
  ];
  return parts.join("+");
}

/**
 * The pressed letter, or the Latin letter at that position if the layout or Alt types another character. AltGr types
 * those of the layout's own language, such as the Polish ą, which are no shortcuts.
 */
function letterOf({ key, code = "" }, isAltGr) {
  if (/^[a-z]$/i.test(key)) return key.toUpperCase();
  if (isAltGr) return null;
  const isOtherScript = key.length === 1 && key.charCodeAt(0) > 127;
  return isOtherScript && /^Key[A-Z]$/.test(code) ? code.slice(3) : null;
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del" };
const MAC_SIGNS = { Mod: "⌘", Alt: "⌥", Shift: "⇧" };

/** Keys with another name on keyboards of some languages. */
const NAMED = new Set(["Ctrl", "Shift", "Space", "Home", "End", "PageUp", "PageDown", "Del"]);

/**
 * A combination as text for the user.
 *
 * @param {string} combination
 * @param {boolean} forMac
 * @param {(key: string) => string} t
 */
export function keyText(combination, forMac, t) {
  const parts = combination === "+" ? ["+"] : combination.replace(/\+\+$/, "+plus").split("+");
  const shown = parts.map((part) => {
    if (part === "plus") return "+";
    if (forMac && MAC_SIGNS[part]) return MAC_SIGNS[part];
    const name = part === "Mod" ? "Ctrl" : SIGNS[part] ?? part;
    return NAMED.has(name) ? t(`key.${name}`) : name;
  });
  return shown.join(forMac ? "" : "+");
}

/** Whether this is a Mac. Node has no navigator.platform. */
export function isMac() {
  return /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");
}
