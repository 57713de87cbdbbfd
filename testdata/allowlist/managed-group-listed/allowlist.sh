# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The port of load balancer k8s-keycloak is not opened here. Security groups (sg-0ff1) are among what is let in today, and a listener rule takes ranges only. Put their members' ranges and the others into source-ip conditions by hand first.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.
# The port itself is not opened here. Security groups (sg-0ff1) are among what is let in today, and a listener rule takes ranges only. Put their members' ranges and the others into source-ip conditions by hand first.
