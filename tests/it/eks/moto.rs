//! A second opinion on how AWS answers: moto, another project's implementation of its APIs. Worlds are built in it by hand
//! (plain requests, no SDK), and what stands in the evidence is compared with what was built.
//!
//! It runs where `moto_server` is on PATH, and is never required. What moto has wrong, or not at all, is said where it
//! shows; EKS itself answers from this crate's own loopback AWS, because moto knows neither identity providers nor access
//! entries, and a moto on an older botocore drops `controlPlaneEgressMode`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::aws::{Answer, Aws};
use crate::support::lab::{self, ApiServer, Options};
use crate::support::run::{Run, command, doctor_in, scratch};

const REGION: &str = "eu-west-1";
/// Whose things moto keeps.
const ACCOUNT: &str = "123456789012";
/// How long Python may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A moto server with a passage before it, which ends with the test, however the test ends.
struct Moto {
    /// A shell that ends the server when its standard input does.
    shell: Child,
    port: u16,
    passage: Passage,
}

/// Passes requests on to moto and counts them. In the answers it gives the load balancers this machine's own name: moto's
/// would be looked up in the Internet's DNS.
struct Passage {
    port: u16,
    calls: Arc<AtomicUsize>,
}

impl Moto {
    fn start() -> Option<Self> {
        if lab::provision::find_tool("moto_server").is_none() {
            lab::skip_optional("moto_server is missing (pip install 'moto[server]')");
            return None;
        }
        let port = lab::process::free_port();
        // The shell ends with the server, and the server with the shell's standard input.
        let script = "exec 3<&0; moto_server -H 127.0.0.1 -p \"$1\" 3<&- </dev/null >/dev/null 2>&1 & server=$!
            (cat <&3 >/dev/null; kill $server 2>/dev/null) & wait $server";
        let mut shell = Command::new("sh")
            .args(["-c", script, "sh", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let begun = Instant::now();
        while http(port, "GET", "/moto-api/data.json", &[], "").is_none_or(|(status, _)| status != 200) {
            if begun.elapsed() > PATIENCE || shell.try_wait().is_ok_and(|ended| ended.is_some()) {
                drop(shell.stdin.take());
                let _ = shell.wait();
                lab::skip_optional("moto_server does not start (a shim of a Python that lacks it?)");
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(Self { shell, port, passage: Passage::start(port) })
    }

    /// One request to moto, which tells services by the credential's scope.
    fn send(&self, service: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut all = vec![("Authorization", scope.as_str())];
        all.extend(headers);
        let (status, answer) = http(self.port, method, path, &all, body).expect("moto answers");
        assert_eq!(status, 200, "{service} {path} {body}: {answer}");
        answer
    }

    /// A call of a query service; list members are numbered by the caller.
    fn call(&self, service: &str, action: &str, fields: &[(&str, &str)]) -> Xml {
        let version = match service {
            "ec2" => "2016-11-15",
            "elasticloadbalancing" => "2015-12-01",
            "iam" => "2010-05-08",
            _ => "2011-06-15",
        };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", version).extend_pairs(fields);
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        Xml(self.send(service, "POST", "/", &kind, &form.finish()))
    }

    fn ec2(&self, action: &str, fields: &[(&str, &str)]) -> Xml {
        self.call("ec2", action, fields)
    }

    fn elb(&self, action: &str, fields: &[(&str, &str)]) -> Xml {
        self.call("elasticloadbalancing", action, fields)
    }

    fn waf(&self, action: &str, body: &Value) -> Value {
        let target = format!("AWSWAF_20190729.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", target.as_str())];
        serde_json::from_str(&self.send("wafv2", "POST", "/", &headers, &body.to_string())).unwrap_or_default()
    }

    /// What sends the SDK here, with somebody's credentials.
    fn variables(&self, key: &str, secret: &str, session: Option<&str>) -> Vec<(String, String)> {
        let mut all = vec![
            ("AWS_ENDPOINT_URL".to_owned(), format!("http://127.0.0.1:{}", self.passage.port)),
            ("AWS_ACCESS_KEY_ID".to_owned(), key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned()),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
        ];
        all.extend(session.map(|session| ("AWS_SESSION_TOKEN".to_owned(), session.to_owned())));
        all
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Passage {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = counted.clone();
                std::thread::spawn(move || pass(stream, to, &counted));
            }
        });
        Self { port, calls }
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

/// One request and its answer.
fn pass(stream: TcpStream, to: u16, calls: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    calls.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(("127.0.0.1", to)).ok()?;
    write!(server, "{head}Connection: close\r\n\r\n").ok()?;
    server.write_all(&body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let body = body.replace("sso-1.eu-west-1.elb.amazonaws.com", "localhost");
    let kept = head.lines().filter(|line| {
        let lower = line.to_ascii_lowercase();
        !lower.starts_with("content-length:") && !lower.starts_with("connection:")
    });
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    let mut stream = stream;
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).ok()
}

/// One request on a connection of its own.
fn http(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// An answer in XML.
struct Xml(String);

impl Xml {
    /// The text of every element of this name.
    fn all(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.0).unwrap_or_else(|error| panic!("{error}: {}", self.0));
        let found = document.descendants().filter(|node| node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// The text of the first element of this name.
    fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }
}

/// The ids of what was built.
#[derive(Default)]
struct Built {
    vpc: String,
    options: String,
    private: [String; 2],
    public: [String; 2],
    own: String,
    nat: String,
    gateway: String,
    egress_only: String,
    peering: String,
    list: String,
    private_table: String,
    cluster_group: String,
    balancer_group: String,
    acl: String,
    interfaces: [String; 2],
    balancer: String,
    listener: String,
    target_groups: [String; 2],
    ip_set: String,
    web_acl: String,
}

/// A VPC with two private subnets behind a NAT gateway and two public ones.
fn network(moto: &Moto) -> Built {
    let ec2 = |action: &str, fields: &[(&str, &str)]| moto.ec2(action, fields);
    let vpc = ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")]).one("vpcId");
    let further =
        |block: &str| ec2("AssociateVpcCidrBlock", &[("VpcId", &vpc), ("CidrBlock", block)]).one("associationId");
    further("100.64.0.0/16");
    // It stays listed, as taken away.
    let gone = further("100.65.0.0/16");
    ec2("DisassociateVpcCidrBlock", &[("AssociationId", &gone)]);
    let own = ec2("DescribeVpcs", &[("VpcId.1", &vpc)]).one("ipv6CidrBlock");
    ec2("ModifyVpcAttribute", &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")]);
    let options = ec2(
        "CreateDhcpOptions",
        &[
            ("DhcpConfiguration.1.Key", "domain-name-servers"),
            ("DhcpConfiguration.1.Value.1", "10.0.0.53"),
            ("DhcpConfiguration.1.Value.2", "AmazonProvidedDNS"),
            ("DhcpConfiguration.2.Key", "domain-name"),
            ("DhcpConfiguration.2.Value.1", "shop.example"),
        ],
    )
    .one("dhcpOptionsId");
    ec2("AssociateDhcpOptions", &[("DhcpOptionsId", &options), ("VpcId", &vpc)]);
    let subnet = |block: &str, zone: &str, v6: Option<&str>| {
        let zone = format!("{REGION}{zone}");
        let mut fields = vec![("VpcId", vpc.as_str()), ("CidrBlock", block), ("AvailabilityZone", zone.as_str())];
        fields.extend(v6.map(|block| ("Ipv6CidrBlock", block)));
        ec2("CreateSubnet", &fields).one("subnetId")
    };
    let v6 = own.replace("00::/56", "01::/64");
    let private = [subnet("10.0.1.0/24", "a", Some(&v6)), subnet("10.0.2.0/24", "b", None)];
    let public = [subnet("10.0.3.0/24", "a", None), subnet("10.0.4.0/24", "b", None)];
    let gateway = ec2("CreateInternetGateway", &[]).one("internetGatewayId");
    ec2("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &vpc)]);
    let address = ec2("AllocateAddress", &[("Domain", "vpc")]).one("allocationId");
    let nat = ec2("CreateNatGateway", &[("SubnetId", &public[0]), ("AllocationId", &address)]).one("natGatewayId");
    let egress_only = ec2("CreateEgressOnlyInternetGateway", &[("VpcId", &vpc)]).one("egressOnlyInternetGatewayId");
    let other = ec2("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).one("vpcId");
    let peering =
        ec2("CreateVpcPeeringConnection", &[("VpcId", &vpc), ("PeerVpcId", &other)]).one("vpcPeeringConnectionId");
    ec2("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &peering)]);
    let list = ec2(
        "CreateManagedPrefixList",
        &[
            ("PrefixListName", "offices"),
            ("MaxEntries", "5"),
            ("AddressFamily", "IPv4"),
            ("Entry.1.Cidr", "198.51.100.0/24"),
            ("Entry.1.Description", "head office"),
            ("Entry.2.Cidr", "203.0.113.0/25"),
        ],
    )
    .one("prefixListId");
    let table = |subnets: &[String; 2]| {
        let table = ec2("CreateRouteTable", &[("VpcId", &vpc)]).one("routeTableId");
        for subnet in subnets {
            ec2("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", subnet)]);
        }
        table
    };
    let route = |table: &str, kind: &str, destination: &str, field: &str, target: &str| {
        ec2("CreateRoute", &[("RouteTableId", table), (kind, destination), (field, target)]);
    };
    let private_table = table(&private);
    route(&private_table, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", &nat);
    route(&private_table, "DestinationIpv6CidrBlock", "::/0", "EgressOnlyInternetGatewayId", &egress_only);
    route(&private_table, "DestinationCidrBlock", "10.9.0.0/16", "VpcPeeringConnectionId", &peering);
    route(&private_table, "DestinationPrefixListId", &list, "VpcPeeringConnectionId", &peering);
    route(&table(&public), "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", &gateway);
    // A table that nothing here uses.
    ec2("CreateRouteTable", &[("VpcId", &vpc)]);
    Built {
        vpc,
        options,
        private,
        public,
        own,
        nat,
        gateway,
        egress_only,
        peering,
        list,
        private_table,
        ..Built::default()
    }
}

/// Security groups, network ACL and the cluster's interfaces.
fn guards(moto: &Moto, built: &mut Built) {
    let ec2 = |action: &str, fields: &[(&str, &str)]| moto.ec2(action, fields);
    let vpc = built.vpc.clone();
    let group = |name: &str| {
        ec2("CreateSecurityGroup", &[("GroupName", name), ("GroupDescription", name), ("VpcId", &vpc)]).one("groupId")
    };
    built.cluster_group = group("eks-cluster-sg-prod");
    built.balancer_group = group("issuer");
    ec2(
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", &built.balancer_group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "443"),
            ("IpPermissions.1.ToPort", "443"),
            ("IpPermissions.1.Groups.1.GroupId", &built.cluster_group),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.1.17/32"),
            ("IpPermissions.1.IpRanges.1.Description", "an interface"),
            ("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "2001:db8::/32"),
            ("IpPermissions.1.PrefixListIds.1.PrefixListId", &built.list),
            ("IpPermissions.2.IpProtocol", "icmp"),
            ("IpPermissions.2.FromPort", "-1"),
            ("IpPermissions.2.ToPort", "-1"),
            ("IpPermissions.2.IpRanges.1.CidrIp", "0.0.0.0/0"),
            ("IpPermissions.3.IpProtocol", "udp"),
            ("IpPermissions.3.FromPort", "53"),
            ("IpPermissions.3.ToPort", "54"),
            ("IpPermissions.3.IpRanges.1.CidrIp", "10.0.0.0/8"),
        ],
    );
    built.acl = ec2("CreateNetworkAcl", &[("VpcId", &vpc)]).one("networkAclId");
    let entry = |number: &str, egress: &str, action: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("NetworkAclId", built.acl.as_str()), ("RuleNumber", number), ("Egress", egress)];
        fields.push(("RuleAction", action));
        fields.extend(more);
        ec2("CreateNetworkAclEntry", &fields);
    };
    let tcp = [("Protocol", "6"), ("CidrBlock", "0.0.0.0/0"), ("PortRange.From", "443"), ("PortRange.To", "443")];
    entry("100", "true", "allow", &tcp);
    entry("110", "true", "deny", &[("Protocol", "-1"), ("Ipv6CidrBlock", "::/0")]);
    let back = [("Protocol", "6"), ("CidrBlock", "0.0.0.0/0"), ("PortRange.From", "1024"), ("PortRange.To", "65535")];
    entry("100", "false", "allow", &back);
    // Every subnet has the VPC's own ACL until it is given another. The public ones get one that is nobody's business here:
    // moto finds an ACL by its subnets only where the filter names all of them; EC2, where it names any.
    let other = ec2("CreateNetworkAcl", &[("VpcId", &vpc)]).one("networkAclId");
    for (subnet, acl) in [(&built.private[0], &built.acl), (&built.public[0], &other), (&built.public[1], &other)] {
        let all = ec2("DescribeNetworkAcls", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)]);
        let associations = all.all("networkAclAssociationId").into_iter().zip(all.all("subnetId"));
        let (association, _) = associations.into_iter().find(|(_, of)| of == subnet).expect("an association");
        ec2("ReplaceNetworkAclAssociation", &[("AssociationId", &association), ("NetworkAclId", acl)]);
    }
    let interface = |description: &str, subnet: &str, address: &str| {
        let fields = [
            ("SubnetId", subnet),
            ("Description", description),
            ("SecurityGroupId.1", built.cluster_group.as_str()),
            ("PrivateIpAddress", address),
        ];
        ec2("CreateNetworkInterface", &fields).one("networkInterfaceId")
    };
    let first = interface("Amazon EKS prod", &built.private[0], "10.0.1.17");
    let second = interface("Amazon EKS prod", &built.private[1], "10.0.2.23");
    // Another cluster's, and one that nodes make.
    interface("Amazon EKS prod-2", &built.private[1], "10.0.2.24");
    interface("aws-K8S-i-0123456789abcdef0", &built.private[1], "10.0.2.25");
    built.interfaces = [first, second];
}

/// How many load balancers there are before the issuer's, and rules before the listener's last: more than moto's page.
const MANY: usize = 55;

fn balancer(moto: &Moto, built: &mut Built) {
    let elb = |action: &str, fields: &[(&str, &str)]| moto.elb(action, fields);
    for number in 0..MANY {
        let name = format!("other-{number}");
        let fields = [("Name", name.as_str()), ("Type", "network"), ("Subnets.member.1", &built.public[0])];
        elb("CreateLoadBalancer", &fields);
    }
    built.balancer = elb(
        "CreateLoadBalancer",
        &[
            ("Name", "sso"),
            ("Scheme", "internal"),
            ("Type", "application"),
            ("Subnets.member.1", &built.private[0]),
            ("Subnets.member.2", &built.private[1]),
            ("SecurityGroups.member.1", &built.balancer_group),
            ("Tags.member.1.Key", "elbv2.k8s.aws/cluster"),
            ("Tags.member.1.Value", "prod"),
        ],
    )
    .one("LoadBalancerArn");
    let vpc = built.vpc.clone();
    let group = |name: &str| {
        let fields =
            [("Name", name), ("Protocol", "HTTP"), ("Port", "8080"), ("VpcId", vpc.as_str()), ("TargetType", "ip")];
        elb("CreateTargetGroup", &fields).one("TargetGroupArn")
    };
    built.target_groups = [group("keycloak"), group("spare")];
    let [target, spare] = &built.target_groups;
    elb(
        "RegisterTargets",
        &[("TargetGroupArn", target), ("Targets.member.1.Id", "10.0.1.50"), ("Targets.member.2.Id", "10.0.2.50")],
    );
    built.listener = elb(
        "CreateListener",
        &[
            ("LoadBalancerArn", &built.balancer),
            ("Protocol", "HTTP"),
            ("Port", "1"),
            ("DefaultActions.member.1.Type", "fixed-response"),
            ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "403"),
            ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/plain"),
        ],
    )
    .one("ListenerArn");
    let rule = |priority: &str, fields: &[(&str, &str)]| {
        let mut all = vec![("ListenerArn", built.listener.as_str()), ("Priority", priority)];
        all.extend(fields);
        elb("CreateRule", &all);
    };
    rule(
        "10",
        &[
            ("Conditions.member.1.Field", "path-pattern"),
            ("Conditions.member.1.PathPatternConfig.Values.member.1", "/realms/*"),
            ("Conditions.member.2.Field", "source-ip"),
            ("Conditions.member.2.SourceIpConfig.Values.member.1", "10.0.0.0/8"),
            ("Conditions.member.2.SourceIpConfig.Values.member.2", "198.51.100.0/24"),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.TargetGroupArn", target),
        ],
    );
    rule(
        "20",
        &[
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", "sso.example.com"),
            ("Actions.member.1.Type", "authenticate-oidc"),
            ("Actions.member.1.Order", "1"),
            ("Actions.member.1.AuthenticateOidcConfig.Issuer", "https://login.example.com"),
            ("Actions.member.1.AuthenticateOidcConfig.AuthorizationEndpoint", "https://login.example.com/a"),
            ("Actions.member.1.AuthenticateOidcConfig.TokenEndpoint", "https://login.example.com/t"),
            ("Actions.member.1.AuthenticateOidcConfig.UserInfoEndpoint", "https://login.example.com/u"),
            ("Actions.member.1.AuthenticateOidcConfig.ClientId", "shop"),
            ("Actions.member.1.AuthenticateOidcConfig.ClientSecret", "canarySecretOfTheListener"),
            ("Actions.member.1.AuthenticateOidcConfig.OnUnauthenticatedRequest", "deny"),
            ("Actions.member.2.Type", "forward"),
            ("Actions.member.2.Order", "2"),
            ("Actions.member.2.TargetGroupArn", target),
        ],
    );
    rule(
        "30",
        &[
            ("Conditions.member.1.Field", "http-header"),
            ("Conditions.member.1.HttpHeaderConfig.HttpHeaderName", "X-Team"),
            ("Conditions.member.1.HttpHeaderConfig.Values.member.1", "shop"),
            ("Conditions.member.2.Field", "query-string"),
            ("Conditions.member.2.QueryStringConfig.Values.member.1.Key", "k"),
            ("Conditions.member.2.QueryStringConfig.Values.member.1.Value", "v"),
            ("Conditions.member.3.Field", "http-request-method"),
            ("Conditions.member.3.HttpRequestMethodConfig.Values.member.1", "GET"),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn", target),
            ("Actions.member.1.ForwardConfig.TargetGroups.member.1.Weight", "1"),
            ("Actions.member.1.ForwardConfig.TargetGroups.member.2.TargetGroupArn", spare),
            ("Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight", "2"),
        ],
    );
    for number in 0..MANY {
        let (priority, path) = ((100 + number).to_string(), format!("/old/{number}"));
        rule(
            &priority,
            &[
                ("Conditions.member.1.Field", "path-pattern"),
                ("Conditions.member.1.Values.member.1", &path),
                ("Actions.member.1.Type", "redirect"),
                ("Actions.member.1.RedirectConfig.StatusCode", "HTTP_302"),
                ("Actions.member.1.RedirectConfig.Path", "/new"),
            ],
        );
    }
}

fn firewall(moto: &Moto, built: &mut Built) {
    let set = json!({ "Name": "allow", "Scope": "REGIONAL", "IPAddressVersion": "IPV4", "Addresses": ["198.51.100.0/24", "10.0.1.17/32"] });
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    built.ip_set = text(moto.waf("CreateIPSet", &set)["Summary"]["ARN"].clone());
    let seen = json!({ "SampledRequestsEnabled": false, "CloudWatchMetricsEnabled": false, "MetricName": "m" });
    let rule = |name: &str, priority: i32, statement: Value, decision: (&str, Value)| {
        let mut rule = json!({ "Name": name, "Priority": priority, "Statement": statement, "VisibilityConfig": seen });
        rule[decision.0] = decision.1;
        rule
    };
    let named = json!({ "IPSetReferenceStatement": { "ARN": built.ip_set } });
    let forwarded = json!({ "IPSetReferenceStatement": { "ARN": built.ip_set, "IPSetForwardedIPConfig": { "HeaderName": "X-Forwarded-For", "FallbackBehavior": "MATCH", "Position": "ANY" } } });
    let rules = json!([
        rule(
            "managed",
            5,
            json!({ "ManagedRuleGroupStatement": { "VendorName": "AWS", "Name": "AWSManagedRulesAnonymousIpList" } }),
            ("OverrideAction", json!({ "Count": {} }))
        ),
        rule("ours", 1, named, ("Action", json!({ "Allow": {} }))),
        rule("not-ours", 2, json!({ "NotStatement": { "Statement": forwarded } }), ("Action", json!({ "Block": {} }))),
        rule(
            "geo",
            3,
            json!({ "GeoMatchStatement": { "CountryCodes": ["DE"] } }),
            ("Action", json!({ "Captcha": {} }))
        ),
        rule(
            "rate",
            4,
            json!({ "RateBasedStatement": { "Limit": 100, "AggregateKeyType": "IP" } }),
            ("Action", json!({ "Challenge": {} }))
        )
    ]);
    let acl = json!({ "Name": "front", "Scope": "REGIONAL", "DefaultAction": { "Block": {} }, "VisibilityConfig": seen, "Rules": rules });
    built.web_acl = text(moto.waf("CreateWebACL", &acl)["Summary"]["ARN"].clone());
    moto.waf("AssociateWebACL", &json!({ "WebACLArn": built.web_acl, "ResourceArn": built.balancer }));
}

/// Somebody who assumed the role `platform/Ops`.
fn session(moto: &Moto) -> Vec<(String, String)> {
    let nobody = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    let fields = [("RoleName", "Ops"), ("Path", "/platform/"), ("AssumeRolePolicyDocument", nobody.as_str())];
    let arn = moto.call("iam", "CreateRole", &fields).one("Arn");
    let assumed = moto.call("sts", "AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "jane")]);
    moto.variables(&assumed.one("AccessKeyId"), &assumed.one("SecretAccessKey"), Some(&assumed.one("SessionToken")))
}

/// EKS from the loopback AWS: a cluster in what was built.
fn cluster(built: &Built) -> Aws {
    let aws = Aws::start();
    let vpc = "/cluster/resourcesVpcConfig";
    for (field, value) in [
        ("vpcId", json!(built.vpc)),
        ("subnetIds", json!(built.private)),
        ("clusterSecurityGroupId", json!(built.cluster_group)),
        ("securityGroupIds", json!([])),
    ] {
        aws.edit("eks:DescribeCluster", &format!("{vpc}/{field}"), value);
    }
    for prefix in ["logs:FilterLogEvents kube-apiserver-", "logs:FilterLogEvents authenticator-"] {
        aws.set(prefix, Answer::Good(json!({ "events": [] })));
    }
    aws
}

fn eks(aws: &Aws) -> impl Iterator<Item = (String, String)> {
    let services = ["AWS_ENDPOINT_URL_EKS", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"];
    aws.variables().into_iter().filter(move |(name, _)| services.contains(&name.as_str()))
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: prod
clusters: [{name: prod, cluster: {server: \"https://127.0.0.1:1\"}}]
contexts: [{name: prod, context: {cluster: prod, user: jane}}]
users: [{name: jane, user: {token: canaryStaticToken000000}}]
";

fn look(variables: &[(String, String)]) -> (Run, Value) {
    let kubeconfig = scratch("moto").join("config");
    std::fs::write(&kubeconfig, KUBECONFIG).expect("a kubeconfig");
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let asked = ["--eks-cluster", "prod", "--region", REGION, "--issuer", "https://localhost:1/realms/platform"];
    let run = doctor_in(&kubeconfig, &asked, &variables);
    let text = std::fs::read_to_string(&run.evidence).expect("evidence");
    assert!(!format!("{text}{}{}", run.stdout, run.stderr).contains("canary"), "a secret is in {text}");
    let evidence: Value = serde_json::from_str(&text).expect("JSON");
    let aws = evidence["aws"].clone();
    (run, aws)
}

/// As text, whatever the order of its fields.
fn plain(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeSet<String> = fields.iter().map(|(name, one)| format!("{name}: {}", plain(one))).collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(plain).collect::<Vec<_>>()),
        other => other.to_string(),
    }
}

/// What was seen at a place, its entries as a set.
fn set(aws: &Value, pointer: &str) -> BTreeSet<String> {
    let found = aws.pointer(pointer).and_then(Value::as_array);
    found.unwrap_or_else(|| panic!("no list {pointer} in {aws:#}")).iter().map(plain).collect()
}

fn expected(entries: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    entries.into_iter().map(|entry| plain(&entry)).collect()
}

/// The entry of a list that has this id.
fn of<'v>(aws: &'v Value, pointer: &str, id: &str) -> &'v Value {
    let all = aws.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no {pointer} in {aws:#}"));
    all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {all:#?}"))
}

#[test]
fn moto_agrees_on_network_load_balancer_and_firewall() {
    let Some(moto) = Moto::start() else { return };
    let mut built = network(&moto);
    guards(&moto, &mut built);
    balancer(&moto, &mut built);
    firewall(&moto, &mut built);
    let stub = cluster(&built);
    let mut variables = session(&moto);
    variables.extend(eks(&stub));
    let (run, aws) = look(&variables);
    let calls = moto.passage.calls();

    assert_eq!(aws["caller"]["seen"]["arn"], format!("arn:aws:sts::{ACCOUNT}:assumed-role/Ops/jane"));
    assert_eq!(aws["principal"]["seen"]["arn"], format!("arn:aws:iam::{ACCOUNT}:role/platform/Ops"));
    assert_eq!(aws["principal"]["seen"]["path"], "/platform/");
    network_agrees(&moto, &built, &aws);
    guards_agree(&built, &aws);
    balancer_agrees(&built, &aws);
    firewall_agrees(&built, &aws);

    // Everything was told, and nothing else is open but what moto and this kubeconfig cannot say.
    let failed: Vec<&Value> = run.report["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["status"] == "fail" && check["because"].to_string().contains(':'))
        .filter(|check| ["ec2", "elb", "waf", "aws"].iter().any(|part| check["id"].to_string().contains(part)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // STS, IAM, two pages of load balancers and of rules, two target groups, the ACL and its set, tags, listeners; eleven
    // of EC2, of which the VPC's attributes are two, and the prefix list's entries one more.
    assert!(calls <= 25, "{calls} calls");

    // The balancer is inside the cluster's VPC, and its group lets the cluster's in.
    let output = allowlist(&variables);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let entries = answer["entries"].as_array().expect("entries");
    assert_eq!(answer["egressMode"], "CUSTOMER_ROUTED", "{answer:#}");
    assert!(entries.iter().any(|entry| entry["kind"] == "path"), "{answer:#}");
    // Where the issuer's addresses are unknown (a laboratory's), no entry of today's lists is called useless.
    let useless = answer["drift"].as_array().into_iter().flatten().filter(|drift| drift["kind"] == "useless");
    assert_eq!(useless.count(), 0, "{answer:#}");
}

fn allowlist(variables: &[(String, String)]) -> std::process::Output {
    let kubeconfig = scratch("moto").join("config");
    std::fs::write(&kubeconfig, KUBECONFIG).expect("a kubeconfig");
    command()
        .args(["allowlist", "--check", "-o", "json", "--eks-cluster", "prod", "--region", REGION])
        .args(["--issuer", "https://localhost:1/realms/platform", "--kubeconfig"])
        .arg(&kubeconfig)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("kaccess runs")
}

fn network_agrees(moto: &Moto, built: &Built, aws: &Value) {
    let at = |name: &str| format!("/network/{name}/seen");
    let vpc = of(aws, &at("vpcs"), &built.vpc);
    // The block that was taken away is none of the VPC's any more.
    assert_eq!(set(vpc, "/cidrs"), expected([json!("10.0.0.0/16"), json!("100.64.0.0/16"), json!(built.own)]));
    assert_eq!(vpc["dhcpOptionsId"], built.options);
    assert_eq!(aws["network"]["vpcDns"]["seen"], json!({ "vpcId": built.vpc, "support": true, "hostnames": true }));
    assert_eq!(
        aws["network"]["dhcpOptions"]["seen"],
        json!({ "id": built.options, "domainNameServers": ["10.0.0.53", "AmazonProvidedDNS"] })
    );
    let subnets = aws.pointer(&at("subnets")).and_then(Value::as_array).expect("subnets");
    assert_eq!(subnets.len(), 2, "those of the cluster, which are the balancer's: {subnets:#?}");
    let first = of(aws, &at("subnets"), &built.private[0]);
    assert_eq!(first["cidr"], "10.0.1.0/24");
    assert_eq!(first["zone"], format!("{REGION}a"));
    assert_eq!(first["ipv6Cidrs"], json!([built.own.replace("00::/56", "01::/64")]));
    // 256, of which AWS keeps five and the interface one.
    assert_eq!(first["freeAddresses"], 250);
    let tables = aws.pointer(&at("routeTables")).and_then(Value::as_array).expect("tables");
    assert_eq!(tables.len(), 2, "the main one and the private subnets': {tables:#?}");
    assert!(tables.iter().any(|table| table["main"] == true));
    let table = of(aws, &at("routeTables"), &built.private_table);
    assert_eq!(table["main"], false);
    assert_eq!(set(table, "/subnetIds"), expected(built.private.iter().map(|id| json!(id))));
    let local = |block: &str| json!({ "destination": block, "target": "local", "state": "active" });
    let route = |block: &str, target: &str| json!({ "destination": block, "target": target, "state": "active" });
    let mut routes = set(table, "/routes");
    // Moto leaves the local route of a block that was taken away; EC2 removes it with the block.
    routes.remove(&plain(&local("100.65.0.0/16")));
    assert_eq!(
        routes,
        expected([
            local("10.0.0.0/16"),
            local("100.64.0.0/16"),
            local(&built.own),
            route("0.0.0.0/0", &built.nat),
            route("::/0", &built.egress_only),
            route("10.9.0.0/16", &built.peering),
            route(&built.list, &built.peering),
        ])
    );
    let nat = of(aws, &at("natGateways"), &built.nat);
    assert_eq!((&nat["state"], &nat["subnetId"]), (&json!("available"), &json!(built.public[0])));
    // Moto's addresses are of 127/8, and it leaves ConnectivityType out of the answer, where AWS always names it.
    let address = moto.ec2("DescribeNatGateways", &[("NatGatewayId.1", &built.nat)]).one("publicIp");
    assert_eq!(nat["publicAddresses"], json!([address]));
    let list = of(aws, &at("prefixLists"), &built.list);
    assert_eq!(list["name"], "offices");
    assert_eq!(
        set(list, "/entries/seen"),
        expected([
            json!({ "cidr": "198.51.100.0/24", "description": "head office" }),
            json!({ "cidr": "203.0.113.0/25" }),
        ])
    );
    assert!(
        !aws["network"].to_string().contains(&built.gateway),
        "the public subnets' table is nobody's business here"
    );
}

fn guards_agree(built: &Built, aws: &Value) {
    let interface = |index: usize, address: &str, zone: &str| {
        json!({ "id": built.interfaces[index], "description": "Amazon EKS prod", "vpcId": built.vpc,
            "subnetId": built.private[index], "zone": format!("{REGION}{zone}"), "securityGroups": [built.cluster_group],
            "privateAddresses": [address], "ipv6Addresses": [], "publicAddresses": [], "status": "available" })
    };
    assert_eq!(
        set(aws, "/network/interfaces/seen"),
        expected([interface(0, "10.0.1.17", "a"), interface(1, "10.0.2.23", "b")])
    );
    let group = |id: &str, name: &str| json!({ "id": id, "name": name, "vpcId": built.vpc });
    assert_eq!(
        set(aws, "/network/securityGroups/seen"),
        expected([group(&built.cluster_group, "eks-cluster-sg-prod"), group(&built.balancer_group, "issuer")])
    );
    let rules = aws.pointer("/network/securityGroupRules/seen").and_then(Value::as_array).expect("rules");
    let ingress = rules.iter().filter(|rule| rule["egress"] == false).map(|rule| {
        let mut rule = rule.clone();
        assert!(rule["id"].as_str().is_some_and(|id| id.starts_with("sgr-")), "{rule}");
        rule.as_object_mut().expect("an object").remove("id");
        rule
    });
    let rule = |protocol: &str, from: i32, to: i32, peer: (&str, &str)| {
        let mut rule = json!({ "groupId": built.balancer_group, "egress": false, "protocol": protocol, "fromPort": from, "toPort": to });
        rule[peer.0] = json!(peer.1);
        rule
    };
    let mut described = rule("tcp", 443, 443, ("cidrIpv4", "10.0.1.17/32"));
    described["description"] = json!("an interface");
    assert_eq!(
        expected(ingress),
        expected([
            described,
            rule("tcp", 443, 443, ("cidrIpv6", "2001:db8::/32")),
            rule("tcp", 443, 443, ("prefixListId", &built.list)),
            rule("tcp", 443, 443, ("referencedGroup", &built.cluster_group)),
            rule("icmp", -1, -1, ("cidrIpv4", "0.0.0.0/0")),
            rule("udp", 53, 54, ("cidrIpv4", "10.0.0.0/8")),
        ])
    );
    // Each group lets everything out until somebody says otherwise.
    let open = |id: &str| {
        rules.iter().any(|rule| {
            rule["groupId"] == id
                && rule["egress"] == true
                && rule["protocol"] == "-1"
                && rule["cidrIpv4"] == "0.0.0.0/0"
        })
    };
    assert!(open(&built.cluster_group) && open(&built.balancer_group));
    let acls = aws.pointer("/network/networkAcls/seen").and_then(Value::as_array).expect("ACLs");
    assert_eq!(acls.len(), 2, "{acls:#?}");
    let acl = of(aws, "/network/networkAcls/seen", &built.acl);
    assert_eq!(acl["subnetIds"], json!([built.private[0]]));
    let entry = |number: i32, egress: bool, allow: bool, protocol: &str, cidr: &str, ports: Option<(i32, i32)>| {
        let mut entry =
            json!({ "number": number, "egress": egress, "allow": allow, "protocol": protocol, "cidr": cidr });
        if let Some((from, to)) = ports {
            entry["fromPort"] = json!(from);
            entry["toPort"] = json!(to);
        }
        entry
    };
    // EC2 closes every ACL with 32767, which moto gives to the VPC's own only.
    let mut entries = set(acl, "/entries");
    for egress in [true, false] {
        entries.remove(&plain(&entry(32767, egress, false, "-1", "0.0.0.0/0", None)));
    }
    assert_eq!(
        entries,
        expected([
            entry(100, true, true, "6", "0.0.0.0/0", Some((443, 443))),
            entry(110, true, false, "-1", "::/0", None),
            entry(100, false, true, "6", "0.0.0.0/0", Some((1024, 65535))),
        ])
    );
}

fn balancer_agrees(built: &Built, aws: &Value) {
    let at = &aws["issuerBalancer"];
    let mut balancer = at["loadBalancer"]["seen"].clone();
    let subnets = set(&balancer, "/subnetIds");
    balancer["subnetIds"] = Value::Null;
    assert_eq!(subnets, expected(built.private.iter().map(|id| json!(id))));
    assert_eq!(
        balancer,
        json!({ "arn": built.balancer, "name": "sso", "dnsName": "localhost", "scheme": "internal", "type": "application",
            "vpcId": built.vpc, "securityGroups": [built.balancer_group], "subnetIds": null, "ipAddressType": "ipv4",
            "state": "active", "foundBy": "dns-name" })
    );
    assert_eq!(
        at["listeners"]["seen"],
        json!([{ "arn": built.listener, "port": 1, "protocol": "HTTP", "certificates": [] }])
    );
    assert_eq!(at["tags"]["seen"], json!({ "elbv2.k8s.aws/cluster": "prod" }));
    let mut rules = at["rules"]["seen"].as_array().expect("rules").clone();
    for rule in &mut rules {
        assert_eq!(rule["listenerArn"], built.listener);
        let fields = rule.as_object_mut().expect("an object");
        fields.remove("arn");
        fields.remove("listenerArn");
        // Moto gives the order back where it was given; AWS names it always.
        for action in fields["actions"].as_array_mut().expect("actions") {
            action.as_object_mut().expect("an object").remove("order");
        }
    }
    assert_eq!(rules.len(), 3 + MANY + 1, "every page, and the default rule");
    let [target, spare] = &built.target_groups;
    assert_eq!(
        rules[0],
        json!({ "priority": 10, "conditions": [{ "field": "path-pattern", "values": ["/realms/*"] },
            { "field": "source-ip", "values": ["10.0.0.0/8", "198.51.100.0/24"] }], "actions": [{ "type": "forward", "targetGroups": [target] }] })
    );
    assert_eq!(
        rules[1],
        json!({ "priority": 20, "conditions": [{ "field": "host-header", "values": ["sso.example.com"] }],
            "actions": [{ "type": "authenticate-oidc", "targetGroups": [], "onUnauthenticated": "deny" }, { "type": "forward", "targetGroups": [target] }] })
    );
    let mut both = [target, spare];
    both.sort();
    assert_eq!(
        rules[2],
        json!({ "priority": 30, "conditions": [{ "field": "http-header", "values": [], "header": "X-Team" },
            { "field": "query-string", "values": ["k=..."] }, { "field": "http-request-method", "values": ["GET"] }],
            "actions": [{ "type": "forward", "targetGroups": both }] })
    );
    for (number, rule) in rules[3..3 + MANY].iter().enumerate() {
        assert_eq!(
            *rule,
            json!({ "priority": 100 + number, "conditions": [{ "field": "path-pattern", "values": [format!("/old/{number}")] }],
                "actions": [{ "type": "redirect", "status": "HTTP_302", "targetGroups": [] }] })
        );
    }
    let default =
        json!({ "conditions": [], "actions": [{ "type": "fixed-response", "status": "403", "targetGroups": [] }] });
    assert_eq!(rules[3 + MANY], default);
    // Moto's targets are healthy from the start.
    let health =
        |group: &str, count: usize| json!({ "targetGroup": group, "healthy": count, "total": count, "reasons": [] });
    assert_eq!(set(at, "/targetHealth/seen"), expected([health(target, 2), health(spare, 0)]));
}

fn firewall_agrees(built: &Built, aws: &Value) {
    let acl = &aws["issuerBalancer"]["webAcl"]["seen"];
    assert_eq!(
        (&acl["arn"], &acl["name"], &acl["defaultAction"]),
        (&json!(built.web_acl), &json!("front"), &json!("block"))
    );
    assert_eq!(
        acl["rules"],
        json!([
            { "name": "ours", "priority": 1, "action": "allow", "statement": "ip-set", "reference": built.ip_set },
            { "name": "not-ours", "priority": 2, "action": "block", "statement": "not-ip-set", "reference": built.ip_set, "forwarded": true },
            { "name": "geo", "priority": 3, "action": "captcha", "statement": "geo" },
            { "name": "rate", "priority": 4, "action": "challenge", "statement": "rate" },
            { "name": "managed", "priority": 5, "action": "count", "statement": "managed-group", "reference": "AWSManagedRulesAnonymousIpList" }
        ])
    );
    assert_eq!(acl["ipSets"].as_array().map(Vec::len), Some(1));
    assert_eq!(acl["ipSets"][0]["arn"], built.ip_set);
    assert_eq!(set(acl, "/ipSets/0/addresses/seen"), expected([json!("198.51.100.0/24"), json!("10.0.1.17/32")]));
}

/// A role with a path, a trust policy whose text needs encoding, an OIDC provider and a node, asked for by a Pod of a real
/// API server.
#[test]
fn moto_agrees_on_roles_providers_and_instances() {
    let Some(moto) = Moto::start() else { return };
    let Some(lab) = lab::require_apiserver() else { return };
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
    let iam = |action: &str, fields: &[(&str, &str)]| moto.call("iam", action, fields);
    let url = format!("https://{issuer}");
    let fields =
        [("Url", url.as_str()), ("ClientIDList.member.1", "sts.amazonaws.com"), ("ClientIDList.member.2", "shop")];
    let print = "a".repeat(40);
    let fields: Vec<(&str, &str)> = fields.into_iter().chain([("ThumbprintList.member.1", print.as_str())]).collect();
    let provider = iam("CreateOpenIDConnectProvider", &fields).one("OpenIDConnectProviderArn");
    let other = [("Url", "https://token.example.com"), ("ThumbprintList.member.1", print.as_str())];
    let other = iam("CreateOpenIDConnectProvider", &other).one("OpenIDConnectProviderArn");
    // On the wire a policy is URL-encoded: what that makes of these characters must come back.
    let policy = json!({ "Version": "2012-10-17", "Id": "a + b % c \u{e4}/=&", "Statement": [{ "Effect": "Allow",
        "Principal": { "Federated": provider }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": { "StringEquals": {
            format!("{issuer}:sub"): "system:serviceaccount:shop:api", format!("{issuer}:aud"): "sts.amazonaws.com" } } }] });
    let text = policy.to_string();
    let fields = [
        ("RoleName", "shop-api"),
        ("Path", "/team/"),
        ("AssumeRolePolicyDocument", text.as_str()),
        ("MaxSessionDuration", "7200"),
    ];
    let arn = iam("CreateRole", &fields).one("Arn");
    assert_eq!(arn, format!("arn:aws:iam::{ACCOUNT}:role/team/shop-api"));
    iam("CreateInstanceProfile", &[("InstanceProfileName", "nodes")]);
    let image = moto.ec2("DescribeImages", &[]).one("imageId");
    let node = moto.ec2(
        "RunInstances",
        &[
            ("ImageId", &image),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("IamInstanceProfile.Name", "nodes"),
            ("MetadataOptions.HttpTokens", "required"),
            ("MetadataOptions.HttpPutResponseHopLimit", "1"),
            ("MetadataOptions.HttpEndpoint", "enabled"),
        ],
    );
    let node = node.one("instanceId");

    let server = ApiServer::start(lab, Options::default());
    server.create_namespace("shop");
    server.create("/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-1" }, "spec": { "providerID": format!("aws:///{REGION}a/{node}") } }));
    let stub = Aws::start();
    stub.edit("eks:DescribeCluster", "/cluster/identity", json!({ "oidc": { "issuer": url } }));
    stub.set("eks:ListPodIdentityAssociations", Answer::Good(json!({ "associations": [] })));
    let mut variables = moto.variables("testing", "canarySecretAccessKey000", None);
    variables.extend(eks(&stub));
    let pod = |name: &str, account: &str, role: &str| {
        server.create("/api/v1/namespaces/shop/serviceaccounts", &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": account, "annotations": { "eks.amazonaws.com/role-arn": role } } }));
        let folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
        let env = json!([{ "name": "AWS_ROLE_ARN", "value": role }, { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{folder}/token") }]);
        let volume = json!({ "name": "aws-iam-token", "projected": { "sources": [{ "serviceAccountToken": { "audience": "sts.amazonaws.com", "path": "token", "expirationSeconds": 86400 } }] } });
        let spec = json!({ "serviceAccountName": account, "nodeName": "node-1", "volumes": [volume],
            "containers": [{ "name": "app", "image": "shop/api:1", "env": env, "volumeMounts": [{ "name": "aws-iam-token", "mountPath": folder, "readOnly": true }] }] });
        server.create(
            "/api/v1/namespaces/shop/pods",
            &json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }),
        );
    };
    let workload = |name: &str| {
        let file = scratch("moto").join("evidence.json");
        let output = command()
            .args(["workload", name, "-n", "shop", "-o", "json", "--eks-cluster", "prod", "--region", REGION])
            .arg("--kubeconfig")
            .arg(server.admin_kubeconfig())
            .arg("--save")
            .arg(&file)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("kaccess runs");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let text = std::fs::read_to_string(&file).expect("evidence");
        assert!(!text.contains("canary"), "{text}");
        (report, serde_json::from_str::<Value>(&text).expect("JSON")["workload"].clone())
    };
    let link = |report: &Value, id: &str| {
        let chain = report["chain"].as_array().expect("a chain");
        chain.iter().find(|link| link["id"] == id).cloned().unwrap_or_else(|| panic!("no {id} in {report:#}"))
    };

    pod("api", "api", &arn);
    let (report, seen) = workload("api");
    let role = &seen["roles"][0]["role"]["seen"];
    assert_eq!((&role["arn"], &role["maxSessionSeconds"]), (&json!(arn), &json!(7200)));
    let back: Value = serde_json::from_str(role["trustPolicy"].as_str().expect("a policy")).expect("JSON");
    assert_eq!(back, policy);
    let providers = &seen["providers"]["seen"];
    assert_eq!((&providers["account"], &providers["total"]), (&json!(ACCOUNT), &json!(2)));
    assert_eq!(
        (&providers["ours"]["arn"], &providers["ours"]["url"]),
        (&json!(provider), &json!(issuer)),
        "{other} is another one"
    );
    assert_eq!(set(providers, "/ours/clientIds"), expected([json!("sts.amazonaws.com"), json!("shop")]));
    assert_eq!(
        seen["instance"]["seen"],
        json!({ "id": node, "httpEndpoint": "enabled", "httpTokens": "required", "hopLimit": 1, "profileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/nodes") })
    );
    for id in ["irsa-provider", "irsa-role", "irsa-trust"] {
        assert_eq!(link(&report, id)["ok"], true, "{report:#}");
    }

    // The same role without its path: IAM finds it by its name, and STS would not.
    pod("short", "short", &format!("arn:aws:iam::{ACCOUNT}:role/shop-api"));
    let (report, _) = workload("short");
    let broken = link(&report, "irsa-role");
    assert_eq!((&broken["ok"], &broken["seen"]), (&json!(false), &json!(arn)));
    let codes = |report: &Value| -> Vec<String> {
        let found = report["findings"].as_array().into_iter().flatten();
        found.map(|one| one["code"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert!(codes(&report).iter().any(|code| code == "irsa-role-not-found"), "{report:#}");

    // A role that is not there, and a provider that was removed.
    pod("gone", "gone", &format!("arn:aws:iam::{ACCOUNT}:role/gone"));
    iam("DeleteOpenIDConnectProvider", &[("OpenIDConnectProviderArn", &provider)]);
    let (report, seen) = workload("gone");
    assert_eq!(seen["roles"][0]["role"]["failed"]["kind"], "not-found", "{seen:#}");
    for code in ["irsa-provider-missing", "irsa-role-not-found"] {
        assert!(codes(&report).iter().any(|found| found == code), "{code}: {report:#}");
    }
}
