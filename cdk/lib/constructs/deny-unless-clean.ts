import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { RESULT_TAG } from '../names';
import { lazaretRoles } from './lazaret-roles';

/** Verdicts under which an object may be read. `Infected` and `Error` are none of them: who must read such objects is named in `readers`. */
export type ReadableVerdict = 'Clean' | 'InfectedAllowed' | 'Unscannable';

export interface DenyUnlessCleanProps {
  /** A bucket that this app makes: of an imported one CloudFormation writes no policy, and the construct throws. */
  readonly bucket: s3.IBucket;
  /** Verdicts to let through. @default ['Clean'] */
  readonly allow?: readonly ReadableVerdict[];
  /** Keys that are held, with `*` and `?` as in a policy's resource. What matches none of them may be read as before. @default ['*'] */
  readonly keys?: readonly string[];
  /** ARNs, or patterns with `*`, of principals who read whatever its verdict: a forensics role, say. @default - Lazaret's own roles alone */
  readonly readers?: readonly string[];
  /** ARNs, or patterns with `*`, of principals who may tag objects: each of them can call anything Clean. @default - Lazaret's own roles alone */
  readonly taggers?: readonly string[];
  /** The tag's key, if the bucket's settings rename it (`tagKeys.result` in docs/protect.md). @default 'scan-result' */
  readonly tagKey?: string;
}

const READ = ['s3:GetObject', 's3:GetObjectVersion'];
/** Also what a PUT or a copy with tags needs. A replication brings tags by a permission of its own. */
const TAG = [
  's3:PutObjectTagging',
  's3:PutObjectVersionTagging',
  's3:DeleteObjectTagging',
  's3:DeleteObjectVersionTagging',
  's3:ReplicateTags',
];

/**
 * Nobody reads an object of the bucket that has not been called clean. What has no tag is denied as well: it has not been scanned yet. The
 * verdict is a tag, so nobody else may tag. Only the tags `all` of the bucket's settings, the default, say `Clean`; what they mean for
 * whoever uses the bucket stands in docs/constructs.md.
 */
export class DenyUnlessClean extends Construct {
  constructor(scope: Construct, id: string, props: DenyUnlessCleanProps) {
    super(scope, id);
    const allow = props.allow ?? ['Clean'];
    const keys = props.keys ?? ['*'];
    const tagKey = props.tagKey ?? RESULT_TAG;
    check(allow, keys, tagKey);
    const { agents, promote, api } = lazaretRoles(this);
    // the API stores what it has found clean, tagged
    const ours = [...agents, promote, api];
    const resources = keys.map((key) => props.bucket.arnForObjects(key));
    const deny = (sid: string, actions: string[], conditions: Record<string, Record<string, unknown>>): void => {
      const { statementAdded } = props.bucket.addToResourcePolicy(
        new iam.PolicyStatement({
          sid,
          effect: iam.Effect.DENY,
          principals: [new iam.AnyPrincipal()],
          actions,
          resources,
          conditions,
        }),
      );
      if (!statementAdded) {
        throw new Error(`${this.node.path}: the bucket is imported, and has no policy that could deny anything`);
      }
    };
    deny('NobodyReadsWhatIsNotClean', READ, {
      // of a tag that is not there it is true: nothing was found out yet
      StringNotEquals: { [`s3:ExistingObjectTag/${tagKey}`]: [...allow] },
      ArnNotLike: { 'aws:PrincipalArn': [...ours, ...(props.readers ?? [])] },
    });
    deny('OnlyLazaretTags', TAG, {
      ArnNotLike: { 'aws:PrincipalArn': [...ours, ...(props.taggers ?? [])] },
    });
  }
}

function check(allow: readonly string[], keys: readonly string[], tagKey: string): void {
  if (allow.length === 0) {
    throw new Error('allow is empty: nobody could read anything. Leave it out for Clean');
  }
  for (const verdict of allow) {
    if (!['Clean', 'InfectedAllowed', 'Unscannable'].includes(verdict)) {
      throw new Error(`allow: \`${verdict}\` is not Clean, InfectedAllowed or Unscannable`);
    }
  }
  if (keys.length === 0) {
    throw new Error('keys is empty: nothing would be denied. Leave it out for all');
  }
  if (!/^[\w .:/=+@-]{1,128}$/.test(tagKey)) {
    throw new Error(`tagKey: \`${tagKey}\` can't be a tag's key`);
  }
}
