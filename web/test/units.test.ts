import { expect, test } from "vitest";
import { PageError } from "../src/rules.ts";
import { converter, understandUnit } from "../src/stars/units.ts";
import { rules } from "./rules.ts";

const { units } = rules;
const convert = (own: string, wanted: string, value: number): number => (converter(own, wanted, "X", units) ?? ((v) => v))(value);

test.each([
  ["pc", "kpc", 1500, 1.5],
  ["Parsec", "kpc", 1500, 1.5],
  ["arcsec", "mas", 0.5, 500],
  ["kK", "K", 4.75, 4750],
  ["deg_C", "K", 0, 273.15],
  ["rad", "deg", Math.PI, 180],
  ["m s-2", "dex(cm s-2)", 10, 3],
  ["m/s2", "dex(cm s-2)", 10, 3],
  ["cm.s**-2", "dex(cm s-2)", 1000, 3],
  ["dex(m / s2)", "dex(cm s-2)", 1, 3],
  ["dex(K)", "K", 3, 1000],
  ["log(cm.s**-2)", "dex(cm s-2)", 2.5, 2.5],
  ["furlong of dust", "dex", 0.1, 0.1],
  ["--", "mas", 2, 2],
  ["", "kpc", 2, 2],
])("%s to %s", (own, wanted, value, expected) => {
  expect(convert(own, wanted, value)).toBeCloseTo(expected, 10);
});

test.each([
  ["K", "mag"],
  ["furlong", "kpc"],
  ["mag", "dex"],
  ["K", "dex(cm s-2)"],
  ["dex(K)", "dex(cm s-2)"],
])("%s is refused for %s", (own, wanted) => {
  expect(() => convert(own, wanted, 1)).toThrow(PageError);
});

test("names that are no unit", () => {
  expect(understandUnit("furlong", units)).toBeNull();
  expect(understandUnit("solar masses", units)!.scale).toBeGreaterThan(1e30);
});
