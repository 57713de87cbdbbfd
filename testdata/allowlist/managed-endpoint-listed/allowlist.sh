# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.
# These priorities come first, and are not free: the listener's first rule has 1. Give its rules higher ones before (aws elbv2 set-rule-priorities).
# 1. The two public documents, for everybody.
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 1 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
# 2. Everything else on this host: only for those who are let in today.
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 2 --conditions 'Field=host-header,Values=sso.example.com' 'Field=source-ip,SourceIpConfig={Values=[192.0.2.0/24]}' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 3 --conditions 'Field=host-header,Values=sso.example.com' --actions 'Type=fixed-response,FixedResponseConfig={StatusCode=403}'
# 3. Last: the port itself.
aws ec2 authorize-security-group-ingress --group-id sg-0a1b --protocol tcp --port 443 --cidr 0.0.0.0/0
