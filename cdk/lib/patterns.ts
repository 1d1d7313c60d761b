/** Whether a bucket's name or pattern with `*` names nothing that another does not name, too. */
export function within(inner: string, outer: string): boolean {
  const expression = outer.split('*').map((plain) => plain.replaceAll('.', '\\.'));
  return new RegExp(`^${expression.join('.*')}$`).test(inner);
}
