import * as path from 'node:path';

/** The repository's root, seen from `cdk/dist/lib`. */
export const REPOSITORY_ROOT = path.resolve(__dirname, '..', '..', '..');
export const RETRO_JOB_DEFINITION = path.join(REPOSITORY_ROOT, 'statemachines', 'retro-job.asl.json');
export const PROMOTE_OBJECT_DEFINITION = path.join(REPOSITORY_ROOT, 'statemachines', 'promote-object.asl.json');
/** Where `cdk/README.md` builds the functions' `bootstrap` to. */
export const FUNCTIONS_DIR = path.join(REPOSITORY_ROOT, 'dist', 'functions');
