import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { Deployment } from './support';

/** Synthesises; throws if cdk-nag's AwsSolutions finds something without a reason beside it, and prints it. */
export function nag({ app }: Pick<Deployment, 'app'>): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
}
