import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { API, USER_POOL } from '../names';

export interface ApiUsersProps {
  /** In the local cloud the users go with the stack. */
  readonly disposable: boolean;
}

/** One hour, as existing clients count on. */
const TOKEN = Duration.hours(1);

/**
 * Who may call the API. Users are programs for the most part: `lazaret user create` makes them, nobody can sign up, and a lost password is set anew
 * by who may. They outlive the stack.
 */
export class ApiUsers extends Construct {
  readonly pool: cognito.UserPool;
  readonly client: cognito.UserPoolClient;

  constructor(scope: Construct, id: string, props: ApiUsersProps) {
    super(scope, id);
    this.pool = new cognito.UserPool(this, 'Pool', {
      userPoolName: USER_POOL,
      selfSignUpEnabled: false,
      signInAliases: { username: true },
      signInCaseSensitive: false,
      accountRecovery: cognito.AccountRecovery.NONE,
      mfa: cognito.Mfa.OFF,
      passwordPolicy: {
        minLength: 14,
        requireDigits: true,
        requireLowercase: true,
        requireSymbols: true,
        requireUppercase: true,
        tempPasswordValidity: Duration.days(1),
      },
      deletionProtection: !props.disposable,
      removalPolicy: props.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
    });
    this.client = this.pool.addClient('Client', {
      userPoolClientName: API,
      authFlows: { userPassword: true },
      generateSecret: false,
      disableOAuth: true,
      preventUserExistenceErrors: true,
      enableTokenRevocation: true,
      accessTokenValidity: TOKEN,
      idTokenValidity: TOKEN,
      refreshTokenValidity: TOKEN,
    });
    // name and password, as clients send them, and nothing else: CDK would let tokens be refreshed, so that one login lasts longer
    (this.client.node.defaultChild as cognito.CfnUserPoolClient).explicitAuthFlows = ['ALLOW_USER_PASSWORD_AUTH'];
    acknowledge(this.pool, {
      'AwsSolutions-COG2':
        'Users are programs that send a name and a password: a second factor would have nobody to ask.',
      'AwsSolutions-COG3':
        'Threat protection wants the plan Plus, about $0.02 a user and month: the owner’s choice. The API slows failed logins down by itself.',
      'AwsSolutions-COG8': 'The plan Plus is threat protection’s: as above. Nothing else of it is used here.',
    });
  }
}
