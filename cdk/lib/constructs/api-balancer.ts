import { Duration } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { type ApiSettings, balancerIdleSeconds } from '../config-api';
import { API } from '../names';
import type { ApiNetwork } from './api-server';

export interface ApiBalancerProps {
  readonly api: ApiSettings;
  /** Whether callers must speak a TLS of FIPS 140. */
  readonly fips: boolean;
  readonly network: ApiNetwork;
  /** Of the server in a task. */
  readonly port: number;
  readonly accessLogs: s3.IBucket;
}

/** A server is ready with definitions loaded, and no longer once it was told to end. The path is `api/src/routes/health.rs`'s. */
const HEALTH_PATH = '/api/health';
/** A new task's share of requests grows over this: its caches are empty. ALB's least. */
const SLOW_START = Duration.seconds(30);
/** Callers of an internal load balancer, unless the owner says otherwise. */
const PRIVATE_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];

/** What stands between callers and tasks: TLS ends here, and only what is plainly one request goes on. */
export class ApiBalancer extends Construct {
  readonly balancer: elb.ApplicationLoadBalancer;
  readonly targets: elb.ApplicationTargetGroup;
  readonly url: string;

  constructor(scope: Construct, id: string, props: ApiBalancerProps) {
    super(scope, id);
    const { api, network } = props;
    const securityGroup = new ec2.SecurityGroup(this, 'Callers', {
      vpc: network.vpc,
      description: 'The load balancer of the verdict API: callers reach it, and it reaches the servers',
      // to the tasks, and nowhere else
      allowAllOutbound: false,
    });
    const port = api.plainHttp ? 80 : 443;
    for (const cidr of allowed(api)) {
      const peer = cidr.includes(':') ? ec2.Peer.ipv6(cidr) : ec2.Peer.ipv4(cidr);
      securityGroup.addIngressRule(peer, ec2.Port.tcp(port), 'Callers of the API');
    }
    acknowledge(securityGroup, {
      'AwsSolutions-EC23':
        'Callers may be anywhere unless apiAllowedCidrs says where; each request has to bring a token.',
    });

    this.balancer = new elb.ApplicationLoadBalancer(this, 'Balancer', {
      loadBalancerName: API,
      vpc: network.vpc,
      vpcSubnets: { subnets: this.subnets(api, network) },
      internetFacing: !api.internal,
      securityGroup,
      idleTimeout: Duration.seconds(balancerIdleSeconds(api)),
      desyncMitigationMode: elb.DesyncMitigationMode.STRICTEST,
      dropInvalidHeaderFields: true,
      // the server believes the last entry, the one that is written here
      xffHeaderProcessingMode: elb.XffHeaderProcessingMode.APPEND,
    });
    this.balancer.logAccessLogs(props.accessLogs);
    this.targets = new elb.ApplicationTargetGroup(this, 'Targets', {
      vpc: network.vpc,
      targetType: elb.TargetType.IP,
      protocol: elb.ApplicationProtocol.HTTP,
      port: props.port,
      deregistrationDelay: Duration.seconds(api.deregistrationSeconds),
      slowStart: SLOW_START,
      healthCheck: {
        path: HEALTH_PATH,
        healthyHttpCodes: '200',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
    this.listen(api, port, props.fips);
    this.url = `${api.plainHttp ? 'http' : 'https'}://${this.balancer.loadBalancerDnsName}`;
  }

  private listen(api: ApiSettings, port: number, fips: boolean): void {
    const tls =
      api.certificateArn === undefined
        ? { protocol: elb.ApplicationProtocol.HTTP }
        : {
            protocol: elb.ApplicationProtocol.HTTPS,
            certificates: [elb.ListenerCertificate.fromArn(api.certificateArn)],
            // TLS 1.2 and 1.3: clients of 2021 speak them
            sslPolicy: fips ? elb.SslPolicy.FIPS_TLS13_12 : elb.SslPolicy.RECOMMENDED_TLS,
          };
    this.balancer.addListener('Listener', {
      port,
      ...tls,
      // the security group says who may call
      open: false,
      defaultTargetGroups: [this.targets],
    });
  }

  private subnets(api: ApiSettings, network: ApiNetwork): ec2.ISubnet[] {
    if (api.subnetIds.length === 0) {
      return [...(network.balancerSubnets ?? (api.internal ? network.subnets : network.publicSubnets))];
    }
    return api.subnetIds.map((subnetId) => {
      const subnet = ec2.Subnet.fromSubnetId(this, subnetId, subnetId);
      acknowledge(subnet, {
        'Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId': 'Nobody here asks for its route table.',
      });
      return subnet;
    });
  }
}

function allowed(api: ApiSettings): readonly string[] {
  if (api.allowedCidrs.length > 0) {
    return api.allowedCidrs;
  }
  return api.internal ? PRIVATE_NETWORKS : ['0.0.0.0/0'];
}
