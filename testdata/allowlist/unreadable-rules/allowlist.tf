# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The port of load balancer k8s-keycloak is not opened here. Who is let in today could not be read in whole (a security group's rules, or a prefix list), so what a restriction has to keep is not known. Restrict everything but the two paths by source-ip by hand first.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.

# The port itself is not opened here. Who is let in today could not be read in whole (a security group's rules, or a prefix list), so what a restriction has to keep is not known. Restrict everything but the two paths by source-ip by hand first.
