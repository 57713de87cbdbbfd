# In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.

# In resource aws_eks_cluster, block vpc_config: what is there today, and what is missing.
locals {
  public_access_cidrs = ["192.0.2.0/24", "203.0.113.99/32"]
}
