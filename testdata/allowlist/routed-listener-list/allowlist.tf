# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

# The load balancer's security groups let everybody in today: nothing is to be added to them.

# The priorities are free today, and come before the listener's first rule (10).

resource "aws_lb_listener_rule" "oidc_public_documents" {
  listener_arn = "arn:listener/443"
  priority     = 9

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
