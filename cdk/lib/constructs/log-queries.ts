import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { LogQuestion } from '../log-questions';

export interface LogQueriesProps {
  readonly questions: readonly LogQuestion[];
}

/** Keeps questions where Logs Insights offers them. They cost nothing until somebody asks. */
export class LogQueries extends Construct {
  constructor(scope: Construct, id: string, props: LogQueriesProps) {
    super(scope, id);
    for (const { name, of, lines } of props.questions) {
      new logs.CfnQueryDefinition(this, name, {
        name: `lazaret/${name}`,
        // by their names: a group of another stack need not be there to deploy this one
        logGroupNames: [...of],
        queryString: lines.join('\n| '),
      });
    }
  }
}
