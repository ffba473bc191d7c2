/**
 * Names of keys: how a key event is matched with the keys of a command, and how they are shown.
 *
 * A combination is written like Mod+Shift+Z, Shift+ArrowLeft, Space or ?. Mod is Ctrl or the Mac's command key. Shift
 * is named with letters and named keys only: it is part of how a sign such as ? is typed.
 */

/**
 * @param {Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} event
 * @returns {string}
 */
export function combinationOf(event) {
  const isNamed = event.key.length > 1 || event.key === " ";
  const letter = letterOf(event);
  const key = event.key === " " ? "Space" : letter ?? event.key;
  const parts = [
    ...(event.ctrlKey || event.metaKey ? ["Mod"] : []),
    ...(event.altKey ? ["Alt"] : []),
    ...(event.shiftKey && (isNamed || letter) ? ["Shift"] : []),
    key,
  ];
  return parts.join("+");
}

/** The letter that was pressed; that of its place on the keyboard where the layout or Alt makes another sign of it. */
function letterOf({ key, code = "" }) {
  if (/^[a-z]$/i.test(key)) return key.toUpperCase();
  const isOtherScript = key.length === 1 && key.charCodeAt(0) > 127;
  return isOtherScript && /^Key[A-Z]$/.test(code) ? code.slice(3) : null;
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del" };
const MAC_SIGNS = { Mod: "⌘", Alt: "⌥", Shift: "⇧" };

/**
 * A combination as it is shown.
 *
 * @param {string} combination
 * @param {boolean} forMac
 */
export function keyText(combination, forMac) {
  const parts = combination === "+" ? ["+"] : combination.replace(/\+\+$/, "+plus").split("+");
  const shown = parts.map((part) => {
    if (part === "plus") return "+";
    if (forMac && MAC_SIGNS[part]) return MAC_SIGNS[part];
    return part === "Mod" ? "Ctrl" : SIGNS[part] ?? part;
  });
  return shown.join(forMac ? "" : "+");
}

/** Whether keys are those of a Mac. Node has no platform to ask. */
export function isMac() {
  return /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");
}
