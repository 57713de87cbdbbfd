# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The issuer has only private addresses, which this control plane cannot reach at all: put an internet-facing load balancer (or a public copy of the two documents) in front of it, or set controlPlaneEgressMode to CUSTOMER_ROUTED (it cannot be undone).
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.
# The priorities must be free, and come before those that the listener has.
# The two public documents, for everybody.
aws --region eu-west-1 elbv2 create-rule --listener-arn LISTENER_ARN --priority 1 --conditions 'Field=host-header,Values=sso.example.com' 'Field=path-pattern,Values=/realms/platform/.well-known/openid-configuration,/realms/platform/protocol/openid-connect/certs' --actions 'Type=forward,TargetGroupArn=TARGET_GROUP_ARN'
# Beside this rule the new load balancer serves nothing: a fixed response (404) as its default action, and its port open to everybody.
