#!/usr/bin/env node
import { App } from 'aws-cdk-lib';
import { defineRegions } from '../lib/lazaret';

// CDK's own validation of templates costs 5 s of CPU; the tests run it, so a deployment to the local cloud need not
const app = new App({ builtinCloudFormationValidation: process.env.LAZARET_LOCAL !== '1' });
const account = process.env.CDK_DEFAULT_ACCOUNT;
const region = process.env.CDK_DEFAULT_REGION;
if (account === undefined || region === undefined) {
  throw new Error('No account: sign in to AWS, or set CDK_DEFAULT_ACCOUNT and CDK_DEFAULT_REGION');
}
defineRegions(app, process.env, { account, region });
