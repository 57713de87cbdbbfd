# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

resource "aws_vpc_security_group_ingress_rule" "eks_control_plane_0" {
  security_group_id = "sg-0a1b"
  cidr_ipv4 = "203.0.113.99/32"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "EKS control plane reads OIDC discovery and keys"
}
