import { API, EVENT_SERVICE, type FunctionHandler, functionName } from './names';

/** A question to the logs that is kept in CloudWatch Logs Insights; docs/logs.md lists them. */
export interface LogQuestion {
  /** As Logs Insights shows it, below the folder `lazaret`. */
  readonly name: string;
  /** Log groups. */
  readonly of: readonly string[];
  readonly lines: readonly string[];
}

const agent = '/lazaret/agent';
const events = logGroup(EVENT_SERVICE);
const crawler = '/lazaret/crawler';
const api = logGroup(API);
const of = (handler: FunctionHandler): string => `/lazaret/functions/${functionName(handler)}`;
const jobFunctions = (['check_input', 'size_fleet', 'check_drain', 'report', 'tear_down'] as const).map(of);
const promotion = of('promote');
const watches = (['protect_tagged', 'watch_staging', 'start_scheduled', 'watch_definitions'] as const).map(of);

/**
 * Names with a dot stand in a line's fields or in one of its spans: they are read from the line's text. A quote within a value is escaped
 * there, so that no key of an object can pass for a field.
 */
const read = (field: string, as: string): string =>
  `parse @message /"${field.replaceAll('.', '\\.')}":"(?<${as}>(?:[^"\\\\]|\\\\.)*)"/`;
const OBJECT = [read('object.bucket', 'bucket'), read('object.key', 'key')];
const JOB = read('job.id', 'job');

/** Those about objects, and what scans them. */
export const LOG_QUESTIONS: readonly LogQuestion[] = [
  {
    name: 'what-happened-to-an-object',
    of: [agent, events, promotion],
    lines: [
      'fields @timestamp, @log, level, fields.message, fields.verdict, fields.threat, fields.reason, fields.detail, fields.outcome',
      ...OBJECT,
      'filter bucket = "BUCKET" and key = "KEY"',
      'sort @timestamp asc',
      'limit 1000',
    ],
  },
  {
    name: 'slowest-scans',
    of: [agent, events],
    lines: [
      'fields @timestamp, fields.duration_ms, fields.verdict, fields.reason',
      ...OBJECT,
      'filter ispresent(fields.verdict) and ispresent(fields.duration_ms)',
      'sort fields.duration_ms desc',
      'limit 50',
    ],
  },
  {
    name: 'why-unscannable-or-error',
    of: [agent, events],
    lines: [
      'filter fields.verdict in ["Unscannable", "Error"]',
      'stats count(*) as objects, latest(fields.detail) as detail by fields.verdict, fields.reason',
      'sort objects desc',
    ],
  },
  {
    name: 'errors-by-program',
    of: [agent, events, crawler, ...jobFunctions, promotion, ...watches],
    lines: [
      'filter level in ["ERROR", "WARN"]',
      'stats count(*) as times, latest(@timestamp) as last by @log, level, fields.message',
      'sort times desc',
      'limit 200',
    ],
  },
  {
    name: 'what-a-job-did',
    of: [crawler, agent, ...jobFunctions],
    lines: [
      'fields @timestamp, @log, level, fields.message, fields.objects, fields.infected, fields.duration_ms',
      JOB,
      'filter job = "JOB" and ispresent(level)',
      'sort @timestamp asc',
      'limit 1000',
    ],
  },
  {
    name: 'what-belongs-to-a-trace',
    of: [events, api],
    lines: [
      'fields @timestamp, @log, level, fields.message, fields.verdict, fields.status',
      read('trace.id', 'trace'),
      'filter trace = "1-TIME-ID"',
      'sort @timestamp asc',
      'limit 1000',
    ],
  },
  {
    name: 'what-agents-do',
    of: [agent],
    lines: [
      'filter fields.message = "The packet is done"',
      'stats sum(fields.objects) as objects, avg(fields.duration_ms) as packet_ms, max(@timestamp) as last by @logStream',
      'sort objects desc',
      'limit 500',
    ],
  },
  {
    name: 'messages-given-back',
    of: [events],
    lines: [
      'filter fields.message in ["The message is given back", "The message goes to the dead-letter queue", "A message goes to the dead-letter queue"]',
      'stats count(*) as times, max(fields.receive_count) as deliveries by fields.message, fields.why',
      'sort times desc',
      'limit 200',
    ],
  },
];

/** Those about the verdict API. */
export const API_QUESTIONS: readonly LogQuestion[] = [
  {
    name: 'api-who-was-refused',
    of: [api],
    lines: [
      'filter fields.message = "Answered" and fields.status >= 400',
      'stats count(*) as times by span.user, fields.status, fields.method, fields.path',
      'sort times desc',
      'limit 200',
    ],
  },
  {
    name: 'api-failed-logins',
    of: [api],
    lines: [
      'filter fields.message in ["A login was refused", "A login was throttled"]',
      'stats count(*) as times, max(@timestamp) as last by fields.address, fields.message',
      'sort times desc',
      'limit 200',
    ],
  },
  {
    name: 'api-slowest-answers',
    of: [api],
    lines: [
      'filter fields.message = "Answered"',
      'fields @timestamp, fields.duration_ms, fields.status, fields.path, span.user, span.reference',
      'sort fields.duration_ms desc',
      'limit 50',
    ],
  },
  {
    name: 'api-errors',
    of: [api],
    lines: [
      'filter level in ["ERROR", "WARN"]',
      'stats count(*) as times, max(@timestamp) as last by level, fields.message',
      'sort times desc',
      'limit 200',
    ],
  },
];

function logGroup(program: string): string {
  return `/lazaret/${program.replace('lazaret-', '')}`;
}
