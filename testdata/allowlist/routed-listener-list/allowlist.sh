# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.
# The load balancer's security groups let everybody in today: nothing is to be added to them.
# The priorities are free today, and come before the listener's first rule (10).
# The two public documents, for everybody.
aws --region eu-west-1 elbv2 create-rule --listener-arn arn:listener/443 --priority 9 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=arn:tg/keycloak'
