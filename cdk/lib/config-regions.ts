import type { Node } from 'constructs';

/** One region to deploy to, and what is set for it alone. */
export interface RegionChoice {
  readonly region: string;
  /** Settings by their context names: they win over the context. Certificates, keys, VPCs and topics are a region's. */
  readonly overrides: Readonly<Record<string, unknown>>;
}

/**
 * Where to deploy: the context `regions`, a list (`-c regions=eu-central-1,us-east-1`) or, in `cdk.json`, settings by region
 * (`{"eu-central-1": {}, "us-east-1": {"apiCertificateArn": "…"}}`). `undefined` without it: the one region of the credentials.
 */
export function readRegions(node: Node): readonly RegionChoice[] | undefined {
  const value: unknown = node.tryGetContext('regions');
  if (value === undefined || value === null || value === '') {
    return undefined;
  }
  const choices = parse(value);
  const names = choices.map(({ region }) => region);
  for (const name of names) {
    if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(name)) {
      throw new Error(`regions: \`${name}\` is not a region's name`);
    }
  }
  if (names.length === 0 || new Set(names).size < names.length) {
    throw new Error('regions: name each region once, and at least one');
  }
  return choices;
}

function parse(value: unknown): RegionChoice[] {
  if (typeof value === 'string') {
    const text = value.trim();
    return text.startsWith('{') || text.startsWith('[') ? parse(json(text)) : parse(text.split(','));
  }
  if (Array.isArray(value)) {
    return value.map((region) => ({ region: String(region).trim(), overrides: {} }));
  }
  return Object.entries(value as object).map(([region, overrides]) => {
    if (typeof overrides !== 'object' || overrides === null || Array.isArray(overrides)) {
      throw new Error(`regions: what is set for \`${region}\` is no object`);
    }
    return { region, overrides };
  });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('regions is no JSON: give names with commas, or {"eu-central-1": {}, …}');
  }
}
