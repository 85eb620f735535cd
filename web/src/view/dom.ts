/** Elements by their ids, and new ones. What comes from files is only ever text. */

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = "",
  options: { className?: string; title?: string } = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  Object.assign(made, options);
  made.append(...children);
  return made;
}

/** Bytes of a block of base64 in the page. */
export function bytesOf(id: string): Uint8Array<ArrayBuffer> {
  const letters = atob(element(id).textContent!.trim());
  const found = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) found[i] = letters.charCodeAt(i);
  element(id).remove();
  return found;
}

export function number(value: number | null, digits: number): string {
  if (value === null) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}

/** A number with so many significant digits, without an exponent where people would write none. */
export function significant(value: number | null, digits = 4): string {
  if (value === null) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4)) return value.toExponential(digits - 1);
  const decimals = value === 0 ? 2 : Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return number(value, Math.min(decimals, 6));
}
