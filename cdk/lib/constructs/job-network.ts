import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';

export interface JobNetworkProps {
  readonly settings: Settings;
}

/**
 * Where crawlers and agents run. Nothing listens: the security group has no ingress, so a public address costs less than a
 * NAT and opens nothing. Objects travel through S3's gateway endpoint, which is free.
 */
export class JobNetwork extends Construct {
  readonly vpc: ec2.IVpc;
  readonly subnets: readonly ec2.ISubnet[];
  readonly securityGroup: ec2.ISecurityGroup;
  readonly assignPublicIp: boolean;

  constructor(scope: Construct, id: string, props: JobNetworkProps) {
    super(scope, id);
    const { network: settings, local } = props.settings;
    this.assignPublicIp = settings.assignPublicIp;
    if (settings.vpcId === undefined) {
      this.vpc = this.createVpc(local);
      this.subnets = this.vpc.publicSubnets;
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
    }
    this.securityGroup = new ec2.SecurityGroup(this, 'Tasks', {
      vpc: this.vpc,
      description: 'Crawlers and agents of Lazaret: they call AWS, and nothing calls them',
    });
  }

  private createVpc(local: boolean): ec2.Vpc {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      // 4,091 addresses in each of two subnets: more than one job may launch
      ipAddresses: ec2.IpAddresses.cidr('10.64.0.0/19'),
      natGateways: 0,
      subnetConfiguration: [{ name: 'tasks', subnetType: ec2.SubnetType.PUBLIC }],
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      // where custom resources can't run, it stays as it is
      restrictDefaultSecurityGroup: !local,
    });
    acknowledge(vpc, {
      'AwsSolutions-VPC7':
        'Tasks talk to AWS alone, and only they start connections; flow logs of a scan’s traffic would cost more than the scan.',
    });
    return vpc;
  }
}
