import * as kms from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

/** The owner's key for what we keep, as constructs take it; its policy is the owner's. */
export function ownKey(scope: Construct, keyArn: string | undefined): { readonly encryptionKey?: kms.IKey } {
  return keyArn === undefined ? {} : { encryptionKey: kms.Key.fromKeyArn(scope, 'OwnKey', keyArn) };
}
