#!/usr/bin/env node
import { App } from 'aws-cdk-lib';
import { readSettings } from '../lib/config';
import { defineLazaret } from '../lib/lazaret';

const app = new App();
const account = process.env.CDK_DEFAULT_ACCOUNT;
const region = process.env.CDK_DEFAULT_REGION;
if (account === undefined || region === undefined) {
  throw new Error('No account: sign in to AWS, or set CDK_DEFAULT_ACCOUNT and CDK_DEFAULT_REGION');
}
defineLazaret(app, readSettings(app.node, process.env), { account, region });
