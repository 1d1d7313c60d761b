import { flat, type Json } from './support';

/** What somebody asks of a bucket. */
export interface Request {
  readonly action: string;
  readonly key: string;
  /** Nobody, for one that is not signed. */
  readonly principalArn?: string;
  /** Tags of the object that is there. */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * Whether a statement of Deny of a bucket's policy meets a request: as IAM documents the operators that ours use. A negated operator is true of a
 * key that the request does not have. Nothing local asks IAM, so this is the reading of its documentation, held to the statements.
 */
export function denied(statements: readonly Record<string, Json>[], request: Request): boolean {
  return statements.some(
    (statement) =>
      statement.Effect === 'Deny' &&
      list(statement.Action).some((action) => like(request.action, action)) &&
      list(statement.Resource).some((resource) =>
        like(`<bucket>/${request.key}`, resource.replace(/^<[^>]*>/, '<bucket>')),
      ) &&
      Object.entries((statement.Condition ?? {}) as Record<string, Record<string, Json>>).every(([operator, keys]) =>
        Object.entries(keys).every(([key, values]) => holds(operator, valueIn(key, request), list(values))),
      ),
  );
}

function holds(operator: string, value: string | undefined, wanted: readonly string[]): boolean {
  switch (operator) {
    case 'StringNotEquals':
      return value === undefined || !wanted.includes(value);
    case 'ArnNotLike':
      return value === undefined || !wanted.some((pattern) => like(value, pattern));
    case 'Bool':
      return value !== undefined && wanted.includes(value);
    default:
      throw new Error(`${operator} is not known here`);
  }
}

function valueIn(key: string, request: Request): string | undefined {
  if (key === 'aws:PrincipalArn') {
    return request.principalArn;
  }
  if (key === 'aws:SecureTransport') {
    return 'true';
  }
  const [, tag] = /^s3:ExistingObjectTag\/(.+)$/.exec(key) ?? [];
  if (tag === undefined) {
    throw new Error(`${key} is not known here`);
  }
  return request.tags?.[tag];
}

function like(text: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('?', '.'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

function list(value: Json | undefined): string[] {
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(flat);
}
