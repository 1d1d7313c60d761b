import { Aws } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';
import { NetworkEndpoints } from './network-endpoints';

export interface JobNetworkProps {
  readonly settings: Settings;
}

const HTTPS = 443;

/**
 * Where all tasks run. Nothing listens but the API's servers: the security group of all others has no ingress, so a public address costs less than a
 * NAT and opens nothing. Objects travel through S3's gateway endpoint, which is free. With private subnets there is no address
 * and no way out but to the endpoints.
 */
export class JobNetwork extends Construct {
  readonly vpc: ec2.IVpc;
  readonly subnets: readonly ec2.ISubnet[];
  /** Of a load balancer that anybody may call. */
  readonly publicSubnets: readonly ec2.ISubnet[];
  /** Of everything that nobody calls. */
  readonly securityGroup: ec2.ISecurityGroup;
  readonly assignPublicIp: boolean;
  private readonly endpoints: NetworkEndpoints | undefined;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: JobNetworkProps,
  ) {
    super(scope, id);
    const { network: settings } = props.settings;
    this.assignPublicIp = settings.assignPublicIp;
    if (settings.vpcId === undefined) {
      const vpc = this.createVpc();
      this.vpc = vpc;
      this.subnets = settings.privateSubnets ? vpc.isolatedSubnets : vpc.publicSubnets;
      this.publicSubnets = vpc.publicSubnets;
      this.endpoints = settings.privateSubnets
        ? new NetworkEndpoints(this, 'Endpoints', { settings: props.settings, vpc, subnets: this.subnets })
        : undefined;
    } else {
      // by attributes: a look-up would need credentials at synth. Zones are asked for and never used: subnets go by their ids.
      this.vpc = ec2.Vpc.fromVpcAttributes(this, 'Vpc', { vpcId: settings.vpcId, availabilityZones: ['unknown'] });
      this.subnets = settings.subnetIds.map((subnetId) => {
        const subnet = ec2.Subnet.fromSubnetId(this, subnetId, subnetId);
        acknowledge(subnet, {
          'Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId': 'Nobody here asks for its route table.',
        });
        return subnet;
      });
      this.publicSubnets = this.subnets;
    }
    this.securityGroup = this.tasks(this, 'Crawlers and agents of Lazaret: they call AWS, and nothing calls them');
  }

  /**
   * A security group of tasks. In a VPC of ours they reach what speaks TLS, and the owner's mirror; name servers and metadata pass by security groups.
   * In one that is the owner's, who knows by which proxy they have to go.
   */
  tasks(scope: Construct, description: string): ec2.SecurityGroup {
    const { network, local, definitionsMirror } = this.props.settings;
    const ours = network.vpcId === undefined && !local;
    const group = new ec2.SecurityGroup(scope, 'Tasks', { vpc: this.vpc, description, allowAllOutbound: !ours });
    if (ours) {
      for (const port of new Set([HTTPS, mirrorPort(definitionsMirror)])) {
        group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(port), 'AWS, and where definitions come from');
      }
    }
    this.endpoints?.letIn(scope, group);
    return group;
  }

  private createVpc(): ec2.Vpc {
    const { api, local, network } = this.props.settings;
    const vpc = new ec2.Vpc(this, 'Vpc', {
      // 4,091 addresses in each of two subnets, or 2,043: more than one job may launch
      ipAddresses: ec2.IpAddresses.cidr('10.64.0.0/19'),
      natGateways: 0,
      subnetConfiguration: network.privateSubnets
        ? [
            { name: 'private', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 21 },
            // last, so that they come and go and the others keep their addresses
            ...(api.enabled && !api.internal
              ? [{ name: 'callers', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false }]
              : []),
          ]
        : [{ name: 'tasks', subnetType: ec2.SubnetType.PUBLIC }],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      // where custom resources can't run, it stays as it is
      restrictDefaultSecurityGroup: !local,
    });
    acknowledge(vpc, {
      'AwsSolutions-VPC7':
        'Tasks talk to AWS alone, and only they start connections; flow logs of a scan’s traffic would cost more than the scan.',
    });
    if (network.privateSubnets) {
      for (const statement of s3Policy()) {
        (vpc.node.findChild('S3') as ec2.GatewayVpcEndpoint).addToPolicy(statement);
      }
    }
    return vpc;
  }
}

/** Roles of this account, and the layers of images, which ECR signs for (Amazon ECR user guide, "Create the Amazon S3 gateway endpoint"). */
function s3Policy(): iam.PolicyStatement[] {
  return [
    new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ['s3:*'],
      resources: ['*'],
      conditions: { StringEquals: { 'aws:PrincipalAccount': Aws.ACCOUNT_ID } },
    }),
    new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ['s3:GetObject'],
      resources: [`arn:${Aws.PARTITION}:s3:::prod-${Aws.REGION}-starport-layer-bucket/*`],
    }),
  ];
}

/** Of an own mirror, whose address may begin with `http://`. */
export function mirrorPort(mirror: string): number {
  if (!/^https?:\/\//.test(mirror)) {
    return HTTPS;
  }
  const { port, protocol } = new URL(mirror);
  return port === '' ? (protocol === 'http:' ? 80 : HTTPS) : Number(port);
}
