# There is no address list for this cluster: its control plane leaves through a network of AWS's own, whose addresses are not published and change. Only the two paths, open to everybody, work.
# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces carry traffic to nodes and, inside the VPC, from clients; nothing leaves through them to an issuer in this egress mode.

# Everybody gets a connection today, and the rules hand the two documents on: nothing is to be added.
