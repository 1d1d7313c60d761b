import { Duration } from 'aws-cdk-lib';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { AGENT_FAMILY, CLUSTER, type FunctionHandler } from '../names';
import type { Permission } from '../permissions';
import { functionsCode, RustFunction } from './rust-function';

export interface JobFunctionsProps {
  readonly settings: Settings;
  readonly arns: Arns;
}

/** Lambda's longest. They are safe to repeat, so a job so large that one run does not do ends with the next. */
const LONG = Duration.minutes(15);

/** The five steps of a job that are functions. */
export class JobFunctions extends Construct {
  readonly checkInput: lambda.Function;
  readonly sizeFleet: lambda.Function;
  readonly checkDrain: lambda.Function;
  readonly report: lambda.Function;
  readonly tearDown: lambda.Function;

  constructor(scope: Construct, id: string, props: JobFunctionsProps) {
    super(scope, id);
    const { settings, arns } = props;
    const code = functionsCode(settings.functionsDir);
    const results = { LAZARET_RESULTS_BUCKET: arns.resultsBucketName };
    const create = (
      handler: FunctionHandler,
      description: string,
      rest: {
        permissions: Permission[];
        environment?: Record<string, string>;
        timeout?: Duration;
        memoryMiB?: number;
      },
    ): lambda.Function =>
      new RustFunction(this, handler, {
        handler,
        description,
        code,
        settings,
        permissions: rest.permissions,
        environment: { ...results, ...rest.environment },
        timeout: rest.timeout ?? LONG,
        ...(rest.memoryMiB === undefined ? {} : { memoryMiB: rest.memoryMiB }),
      }).function;

    this.checkInput = create('check_input', 'Reads the input as a job and asks S3 for each bucket', {
      timeout: Duration.minutes(1),
      permissions: [
        {
          why: 'Asks whether the buckets that the owner named are there.',
          actions: ['s3:ListBucket'],
          resources: arns.scanBuckets,
        },
      ],
    });

    this.sizeFleet = create('size_fleet', 'Writes the plan of a job and sizes its fleet', {
      environment: {
        LAZARET_MAX_AGENTS: String(settings.maxAgents),
        LAZARET_SECONDS_PER_OBJECT: String(settings.secondsPerObject),
        LAZARET_SECONDS_PER_BYTE: String(settings.secondsPerByte),
        LAZARET_STARTUP_SECONDS: String(settings.startupSeconds),
        LAZARET_SCAN_WORKERS: String(settings.scanWorkers),
        LAZARET_AGENT_VCPUS: String(settings.agent.cpu / 1024),
        LAZARET_QUOTA_SHARE: String(settings.quotaShare),
        LAZARET_REFINE_SIZING: String(settings.refineSizing),
      },
      permissions: [
        listResults(arns),
        {
          why: 'Reads what the crawls of any job counted, and what finished jobs measured.',
          actions: ['s3:GetObject'],
          resources: [arns.results('work/*/crawls/*'), arns.results('calibration.json')],
        },
        {
          why: 'Writes the plan of any job, and how its fleet was sized.',
          actions: ['s3:PutObject'],
          resources: [arns.results('work/*/plan.json'), arns.results('work/*/fleet.json')],
        },
      ],
    });

    this.checkDrain = create('check_drain', 'Says whether a job is done, at work, to be launched again or stuck', {
      // holds the ids of all packets: 50 bytes each, twice, for a million
      memoryMiB: 1024,
      environment: {
        LAZARET_CLUSTER: CLUSTER,
        LAZARET_AGENT_FAMILY: AGENT_FAMILY,
        LAZARET_POLL_SECONDS: String(settings.pollSeconds),
        LAZARET_MAX_AGENTS: String(settings.maxAgents),
      },
      permissions: [
        listResults(arns),
        {
          why: 'Reads the plan of any job, and the part that a dead packet may have after all.',
          actions: ['s3:GetObject'],
          resources: [arns.results('work/*/plan.json'), arns.results('jobs/*/parts/*')],
        },
        {
          why: 'Writes the rows of packets that were given up, in any job.',
          actions: ['s3:PutObject'],
          resources: [arns.results('jobs/*/parts/*')],
        },
        {
          why: 'Looks how deep the queue of any job is.',
          actions: ['sqs:GetQueueAttributes'],
          resources: [arns.jobQueues],
        },
        {
          why: 'Empties the dead-letter queue of any job.',
          actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'],
          resources: [arns.deadLetterQueues],
        },
        ...watchTasks(arns),
      ],
    });

    this.report = create('report', 'Totals, findings, the HTML page and the proof of completeness', {
      // up to 1 GiB of findings, 16 bytes for each object of a crawl, and the CPUs that come with it: it reads every row
      memoryMiB: 10240,
      permissions: [
        listResults(arns),
        {
          why: 'Reads the plan, the parts and the agents’ accounts of any job, and what finished jobs measured.',
          actions: ['s3:GetObject'],
          resources: [
            ...['work/*/plan.json', 'work/*/fleet.json', 'work/*/progress/*'].map((key) => arns.results(key)),
            arns.results('jobs/*'),
            arns.results('calibration.json'),
          ],
        },
        {
          why: 'Writes the report of any job, and what it measured.',
          actions: ['s3:PutObject'],
          resources: [
            arns.results('calibration.json'),
            arns.results('jobs/*/summary.json'),
            arns.results('jobs/*/findings.jsonl'),
            arns.results('jobs/*/report.html'),
          ],
        },
      ],
    });

    this.tearDown = create('tear_down', 'Stops the tasks of a job, deletes its queues, empties its work folder', {
      environment: { LAZARET_CLUSTER: CLUSTER },
      permissions: [
        listResults(arns),
        {
          why: 'Empties the work folder of any job.',
          actions: ['s3:DeleteObject'],
          resources: [arns.results('work/*')],
        },
        {
          why: 'Reads which crawls of a job count.',
          actions: ['s3:GetObject'],
          resources: [arns.results('work/*/plan.json')],
        },
        {
          why: 'Deletes the parts of crawls that do not count.',
          actions: ['s3:DeleteObject'],
          resources: [arns.results('jobs/*/parts/*')],
        },
        {
          why: 'Deletes the queues of any job.',
          actions: ['sqs:GetQueueUrl', 'sqs:DeleteQueue'],
          resources: [arns.jobQueues],
        },
        ...watchTasks(arns),
        {
          why: 'Stops the tasks of any job, found by the job’s id. The cluster also runs the agents of the events service, which ECS would start again.',
          actions: ['ecs:StopTask'],
          resources: [arns.tasks],
        },
      ],
    });
  }

  /** All five, by the name of their placeholder in the state machine's definition. */
  get byPlaceholder(): Readonly<Record<string, lambda.Function>> {
    return {
      CheckInputArn: this.checkInput,
      SizeFleetArn: this.sizeFleet,
      CheckDrainArn: this.checkDrain,
      ReportArn: this.report,
      TearDownArn: this.tearDown,
    };
  }
}

function listResults(arns: Arns): Permission {
  return {
    why: 'Lists results; without it S3 answers 403 for an object that is not there yet.',
    actions: ['s3:ListBucket'],
    resources: [arns.resultsBucket],
  };
}

function watchTasks(arns: Arns): Permission[] {
  return [
    {
      why: 'ListTasks knows no resource but container instances, which Fargate has none of; the condition holds it to our cluster.',
      actions: ['ecs:ListTasks'],
      resources: ['*'],
      conditions: { ArnEquals: { 'ecs:cluster': arns.cluster } },
    },
    { why: 'Looks at the tasks of any job.', actions: ['ecs:DescribeTasks'], resources: [arns.tasks] },
  ];
}
