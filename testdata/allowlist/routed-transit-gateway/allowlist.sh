# Subnet subnet-1 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# Subnet subnet-2 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# The port of load balancer k8s-keycloak is not opened here. Its security group guards everything that it serves, and without that group everybody would reach whatever the default rule serves too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.
# The listener has no rule but the default one.
# 1. The two public documents, for everybody.
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 1 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
# 2. Everything else on this host: only for those who are let in today.
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 2 --conditions 'Field=host-header,Values=sso.example.com' 'Field=source-ip,SourceIpConfig={Values=[192.0.2.0/24]}' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
aws elbv2 create-rule --listener-arn arn:listener/443 --priority 3 --conditions 'Field=host-header,Values=sso.example.com' --actions 'Type=fixed-response,FixedResponseConfig={StatusCode=403}'
# 3. The port itself is not opened, for the reason above.
