# Security groups are among what is let in today; a listener rule takes ranges only: add theirs to the list before you move it.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

resource "aws_vpc_security_group_ingress_rule" "eks_control_plane" {
  security_group_id = "sg-0a1b"
  referenced_security_group_id = "sg-0c1u"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "EKS control plane reads OIDC discovery and keys"
}
