import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { describe, it } from 'node:test';
import { PAGE, permissionsPage } from './permissions-page';

describe('docs/permissions.md', () => {
  const page = permissionsPage();

  it('says of each role what the templates say', () => {
    assert.equal(
      fs.readFileSync(PAGE, 'utf8'),
      page,
      'a role has changed: `npm run permissions`, and read what it wrote',
    );
  });

  it('would notice what a page of nothing would not', () => {
    assert.ok([...page.matchAll(/^### /gm)].length >= 20);
    assert.match(
      page,
      /\| \*\*never\*\* `s3:DeleteObject`, `s3:DeleteObjectVersion` \| `s3:::lazaret-results-ACCOUNT-REGION\/\*`/,
    );
    assert.ok(!page.includes('undefined') && !page.includes('[object'));
  });
});
