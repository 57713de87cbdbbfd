# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.
# The priorities are free today, and come before the listener's first rule (10).
# The two public documents, for everybody.
aws --region eu-west-1 elbv2 create-rule --listener-arn arn:listener/443 --priority 7 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
# Everything else on this host: only for those whom the security group lets in today.
aws --region eu-west-1 elbv2 create-rule --listener-arn arn:listener/443 --priority 8 --conditions 'Field=host-header,Values=sso.example.com' 'Field=source-ip,SourceIpConfig={Values=[192.0.2.0/24]}' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
aws --region eu-west-1 elbv2 create-rule --listener-arn arn:listener/443 --priority 9 --conditions 'Field=host-header,Values=sso.example.com' --actions 'Type=fixed-response,FixedResponseConfig={StatusCode=403}'
# Last, when the rules above are in force: the port itself, for everybody.
aws --region eu-west-1 ec2 authorize-security-group-ingress --group-id sg-0a1b --protocol tcp --port 443 --cidr 0.0.0.0/0
