# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The port of load balancer k8s-keycloak is not opened here. The rules of this host do different things (a login, a path of its own, several target groups), and one restriction in front of them would change what they do. Give each of them a source-ip condition first: 192.0.2.0/24.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.
# The priorities are free today, and come before the listener's first rule (10).
# The two public documents, for everybody.
aws --region eu-west-1 elbv2 create-rule --listener-arn arn:listener/443 --priority 9 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
# The port itself is not opened here. The rules of this host do different things (a login, a path of its own, several target groups), and one restriction in front of them would change what they do. Give each of them a source-ip condition first: 192.0.2.0/24.
