/** What the package says of surveys and catalogues: `skdistmass/deploy/page_rules.py` makes it. */

export interface Flag {
  column: string;
  bits?: number[];
  above?: number;
}

export interface Source {
  column: string[];
  unit?: string;
  minus?: string;
  transform?: "log10" | "power10" | "ebv_to_ak" | "av_to_ak" | "ebv_to_sfd";
  law?: string;
  error?: string[];
  minus_error?: string;
  lower?: string;
  upper?: string;
  below?: string;
  above?: string;
  flags?: Flag[];
  called?: string;
  called_by?: string[];
}

export interface Layout {
  name: string;
  title: string;
  release?: string;
  citation?: string;
  columns?: string[];
  any_of?: string[];
  absent?: string[];
  refuse?: string;
  quantities: Record<string, Source[]>;
  bad_star?: Flag[];
  bad_parallax?: Flag[];
  keep?: string[];
  parallax_corrected?: boolean;
  sentinels?: number[];
  notes?: string;
}

export interface Quantity {
  name: string;
  kind: "number" | "text" | "identifier" | "flags";
  unit: string;
  minimum?: number;
  maximum?: number;
  high_sentinels: boolean;
  zero_is_missing: boolean;
}

export interface CatalogColumn {
  name: string;
  description: string;
  ucd: string;
  unit: string | null;
  dtype: string;
  formula: string;
}

export interface Bit {
  value: number;
  name: string;
  description: string;
}

export interface Law {
  name: string;
  coefficient: number;
  intrinsic_colour: number;
}

export interface Colours {
  bands: Record<string, [number, number, number]>;
  coefficients: Record<string, number[]>;
  scatter: Record<string, number>;
  powers: [number, number, number][];
  center: number[];
  scale: number[];
  lower: number[];
  upper: number[];
}

export interface Rules {
  columns: CatalogColumn[];
  scales: [string, string][];
  bits: Record<"BITMASK" | "FLAGS" | "AGE_FLAG" | "EXTINCTION_FLAG", Bit[]>;
  spaces: Record<string, string>;
  warnings: Record<"DISTANCE" | "MASS" | "AGE", number>;
  spoilers: Record<"DISTANCE" | "MASS" | "AGE", number>;
  limits: Record<string, number>;
  metallicity: "M_H" | "FE_H";
  cuts: {
    max_parallax_error: number;
    extinction_error: number;
    assumed_extinction_error: number;
    parallax_zero_point: Record<string, number>;
  };
  quantities: Quantity[];
  layouts: Layout[];
  laws: Record<string, Record<string, number>>;
  sentinels: { lowest: number; tolerance: number; high: number[] };
  extinction: {
    latitude_limit: number;
    irac: Law;
    wise: Law;
    dust: Law;
    galactic_pole: [number, number, number];
    colours: Colours;
  };
  clusters: { spellings: Record<string, string>; keys: string[] };
  units: Record<string, [number, number[], number?]>;
}

export interface ModelInfo {
  name: string;
  sha256: string;
  version: string;
  card: Record<string, unknown> & { name: string };
  text: string;
}

/** An error of the user's file or input, told in one sentence. */
export class PageError extends Error {}
