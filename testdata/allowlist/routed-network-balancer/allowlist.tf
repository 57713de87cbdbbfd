# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.

# The network load balancer has no security group of its own: let these sources into the security groups of its targets (the nodes' or Pods'), unless it hides the clients' addresses from them.
