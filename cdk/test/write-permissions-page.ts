import * as fs from 'node:fs';
import { PAGE, permissionsPage } from './permissions-page';

// `npm run permissions`
fs.writeFileSync(PAGE, permissionsPage());
