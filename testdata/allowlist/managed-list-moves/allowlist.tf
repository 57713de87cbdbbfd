# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.

# The priorities are free today, and come before the listener's first rule (10).

resource "aws_lb_listener_rule" "oidc_public_documents" {
  listener_arn = "arn:listener/443"
  priority     = 7

  condition {
    host_header {
      values = ["sso.example.com"]
    }
  }

  condition {
    path_pattern {
      values = ["/realms/platform/.well-known/openid-configuration", "/realms/platform/protocol/openid-connect/certs"]
    }
  }

  action {
    type             = "forward"
    target_group_arn = "arn:tg/keycloak"
  }
}

# Everything else on this host: only for those whom the security group lets in today.

resource "aws_lb_listener_rule" "issuer_listed_0" {
  listener_arn = "arn:listener/443"
  priority     = 8

  condition {
    host_header {
      values = ["sso.example.com"]
    }
  }

  condition {
    source_ip {
      values = ["192.0.2.0/24"]
    }
  }

  action {
    type             = "forward"
    target_group_arn = "arn:tg/keycloak"
  }
}

resource "aws_lb_listener_rule" "issuer_others" {
  listener_arn = "arn:listener/443"
  priority     = 9

  condition {
    host_header {
      values = ["sso.example.com"]
    }
  }

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "not on the list"
      status_code  = "403"
    }
  }
}

# Last, when the rules above are in force: the port itself, for everybody.

resource "aws_vpc_security_group_ingress_rule" "issuer_https" {
  security_group_id = "sg-0a1b"
  cidr_ipv4         = "0.0.0.0/0"
  depends_on        = [aws_lb_listener_rule.oidc_public_documents, aws_lb_listener_rule.issuer_others]
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "OIDC discovery and keys are public, listener rules restrict the rest"
}
