# In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.
# The public endpoint is switched off, and publicAccessCidrs says nothing about the private one: what counts are the security groups on the cluster's interfaces (TCP 443).
