# Subnet subnet-1 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# Subnet subnet-2 leaves through tgw-1; the address that the issuer sees is made behind it and is not visible here. Ask whoever runs it for its egress address.
# The port of load balancer k8s-keycloak is not opened here. Its security group guards everything that it serves, and without that group everybody would reach whatever the default rule serves too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

# The port itself is not opened here. Its security group guards everything that it serves, and without that group everybody would reach whatever the default rule serves too. Restrict those by source-ip first, or give the two paths a load balancer of their own (a second Ingress).
