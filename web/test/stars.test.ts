import { expect, test } from "vitest";
import { TextTable } from "../src/formats/text.ts";
import { openBytes } from "../src/formats/bytes.ts";
import { chooseExtinction, erfcx, withPrior } from "../src/stars/extinction.ts";
import { complete } from "../src/stars/complete.ts";
import { makeStars, type Stars } from "../src/stars/making.ts";
import { layoutNamed, makePlan, neededColumns, recognise, textColumns, type Choice } from "../src/stars/plan.ts";
import { Store } from "../src/store.ts";
import { ticks } from "../src/view/plots.ts";
import { rules } from "./rules.ts";

async function starsOf(text: string, units: Record<string, string> = {}, layout?: string, choices?: Record<string, Choice>): Promise<Stars> {
  const table = await TextTable.open(await openBytes(new Blob([text])), "CSV");
  const plan = makePlan(table.names, rules, layout ? layoutNamed(layout, rules) : undefined, choices);
  const needed = neededColumns(plan);
  await table.load(needed, textColumns(plan, rules), async () => undefined);
  return makeStars(plan, await table.read(needed, 0, table.nRows), units, table.nRows, rules);
}

test("layouts are recognised by the columns", () => {
  expect(recognise(["APOGEE_ID", "ASPCAPFLAG", "GAIAEDR3_SOURCE_ID", "M_H", "C_FE_FLAG", "TEFF"], rules).name).toBe("apogee-dr17");
  expect(recognise(["sdss_id", "teff", "logg", "m_h_atm", "c_h_flags", "flag_bad"], rules).name).toBe("sdss5-aspcap");
  expect(recognise(["sobject_id", "flag_sp", "teff", "logg", "fe_h"], rules).name).toBe("galah-dr4");
  expect(recognise(["teff", "k"], rules).name).toBe("generic");
  expect(() => makePlan(["sdss_id", "sdss4_apogee_id", "gaia_dr3_source_id", "k_mag", "version_id"], rules)).toThrow(/astraAllStarASPCAP/);
  expect(() => makePlan(["teff", "TeFF"], rules)).toThrow(/could all be TEFF/);
  expect(() => makePlan(["TEFF", "TEFF"], rules)).toThrow(/more than once/);
});

test("placeholders, impossible values and flags are missing; [Fe/H] stands for [M/H]", async () => {
  const stars = await starsOf("TEFF,LOGG,FE_H,C_FE,C_FE_FLAG,K,ASPCAPFLAG\n4750,2.5,-0.1,0.1,0,9.1,0\n-9999.99,99,0.2,0.2,4,99.99,8388608\n1000,2.4,0.1,0.3,0,0,0\n");
  expect([...stars.numbers.TEFF!]).toEqual([4750, NaN, NaN]);
  expect([...stars.numbers.M_H!]).toEqual([-0.1, 0.2, 0.1]);
  expect([...stars.numbers.C_FE!]).toEqual([0.1, NaN, 0.3]);
  expect([...stars.numbers.K!]).toEqual([9.1, NaN, NaN]);
  expect([...stars.badStar]).toEqual([0, 1, 0]);
  expect(stars.impossible).toEqual({ TEFF: 1, K: 1 });
  expect(stars.metallicity).toBe("FE_H");
});

test("a column in another unit than it says is refused", async () => {
  await expect(starsOf("TEFF,LOGG,M_H\n3.68,2.5,0\n3.7,2.4,0\n3.65,2.3,0\n")).rejects.toThrow(/log10 of the temperature/);
  await expect(starsOf("TEFF,GAIAEDR3_DIST\n4750,1500\n4800,900\n5000,2000\n")).rejects.toThrow(/look like pc/);
});

test("the user's column and unit take the place of the layout's", async () => {
  const stars = await starsOf("temp,TEFF,LOGG,M_H\n4.75,1,2.5,0\n", { temp: "kK" }, undefined, { TEFF: { column: "temp", unit: "kK" }, M_H: { column: "", unit: "" } });
  expect(stars.numbers.TEFF![0]).toBeCloseTo(4750);
  expect(stars.numbers.M_H).toBeUndefined();
});

test("identifiers keep their digits, or are left out", async () => {
  const stars = await starsOf("sdss_id,GAIA_DR3_SOURCE_ID,TEFF\n9007199254740993,4.29580672e9,4750\n0,1,4800\n");
  expect(stars.texts.SDSS_ID).toEqual(["9007199254740993", ""]);
});

test("extinction: RJCE near the plane, the map away from it, the file's value, J - K", async () => {
  const text = "GLAT,H,IRAC_4_5,WISE_4_5,SFD_EBV,AK_TARG,J,K,TEFF,LOGG,M_H\n2,10,9.7,9.7,2,,,,,,\n-2,10,,9.85,2,,,,,,\n60,10,9.7,9.7,0.1,,,,,,\n5,10,,10.1,1,,,,,,\n" +
    "5,,,,,0.3,,,,,\n10,10.11,,,,,10.7,10,4750,2.5,-0.1\n";
  const found = chooseExtinction(await starsOf(text), rules);
  expect(found.method).toEqual(["RJCE_IRAC", "RJCE_WISE", "SFD", "RJCE_WISE", "AK_TARG", "COLOUR"]);
  expect([...found.values].map((value) => Number(value.toFixed(4)))).toEqual([0.202, 0.0918, 0.0302, 0, 0.3, Number(found.values[5]!.toFixed(4))]);
  expect(found.values[5]).toBeCloseTo(0.05, 2);
  expect(found.errors[5]).toBeCloseTo(0.02, 2);
  expect([...found.flag]).toEqual([0, 0, 0, 1, 2, 16]);
});

test("functions of the prior of A_K", () => {
  expect(erfcx(0)).toBeCloseTo(1, 15);
  expect(erfcx(1)).toBeCloseTo(0.427583576155807, 14);
  expect(erfcx(2)).toBeCloseTo(0.2553956763105057, 14);
  expect(erfcx(20)).toBeCloseTo(0.028174348741051323, 15);
  expect(withPrior(5, 0.02, 0.2)[0]).toBeCloseTo(5 - 0.02 ** 2 / 0.2, 10);
  expect(withPrior(-1, 0.02, 0.2)).toEqual([0.2, 0.2]);
});

test("a member of a known cluster with a poor parallax has no Gaia distance; flags follow", async () => {
  const stars = await starsOf("TEFF,LOGG,M_H,C_FE,N_FE,K,A_K,MEMBER,GAIAEDR3_PARALLAX,GAIAEDR3_PARALLAX_ERROR\n4750,2.5,0,0,0,9,0.1,M 67,1,0.5\n4750,2.5,0,0,0,9,0.1,,1,0.5\n4750,2.5,0,0,0,9,0.1,,1,0.1\n");
  const extinction = chooseExtinction(stars, rules);
  const predicted = {
    DISTANCE: Float64Array.of(1, 1, 2), DISTANCE_ERR: Float64Array.of(0.1, 0.1, 0.1), MASS: Float64Array.of(1.2, -1, 1), AGE: Float64Array.of(9.7, NaN, 9.9),
    DISTANCE_SPACE: Int32Array.of(0, 1, 2), MASS_SPACE: Int32Array.of(0, 0, 0), AGE_FLAG: Int32Array.of(0, 1, 256),
  };
  const rows = complete(stars, extinction, predicted, [], rules);
  expect([...rows.numbers.GAIAEDR3_DIST!].map((value) => Number(value.toFixed(4)))).toEqual([NaN, 0.9794, 0.9794]);
  expect(rows.texts.GAIAEDR3_DIST_SRC).toEqual(["", "1/parallax Gaia EDR3", "1/parallax Gaia EDR3"]);
  const store = new Store(3, rules);
  store.add(rows, 0);
  const flags = [0, 1, 2].map((row) => store.star(row).flags.filter((flag) => flag.column === "FLAGS").map((flag) => flag.name));
  expect(flags[0]).toEqual(["EXTINCTION_FALLBACK"]);
  expect(flags[1]).toEqual(["DISTANCE_EDGE", "EXTINCTION_FALLBACK", "AGE_LIMIT"]);
  expect(flags[2]).toEqual(["DISTANCE_OUTSIDE", "EXTINCTION_FALLBACK", "GAIA_CONFLICT", "AGE_OLD"]);
  expect(store.rows(0, 3).map((row) => row.verdicts)).toEqual([["warn", "good", "good"], ["warn", "bad", "bad"], ["bad", "good", "warn"]]);
  store.show("MASS-good", "", "DISTANCE", true);
  expect(store.rows(0, 9).map((row) => row.row)).toEqual([2, 0]);
});

test("ticks are round numbers", () => {
  expect(ticks(0.3, 4.9, 5)).toEqual([1, 2, 3, 4]);
  expect(ticks(3400, 7000, 4)).toEqual([4000, 5000, 6000, 7000]);
});
