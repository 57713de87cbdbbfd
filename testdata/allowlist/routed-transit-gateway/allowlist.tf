# Subnet subnet-1 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# Subnet subnet-2 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# The port of load balancer k8s-keycloak is not opened here. Its security group guards everything that it serves, and without that group everybody would reach whatever the default rule serves too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

# The listener has no rule but the default one.

resource "aws_lb_listener_rule" "oidc_public_documents" {
  listener_arn = "arn:listener/443"
  priority     = 1

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

# Everything else on this host: only for those who are let in today.

resource "aws_lb_listener_rule" "issuer_listed_0" {
  listener_arn = "arn:listener/443"
  priority     = 2

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
  priority     = 3

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

# The port itself is not opened, for the reason above.
