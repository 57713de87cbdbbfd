# The addresses of the API endpoint are where clients enter: good for a client's egress firewall (they may change within a minute), useless on the issuer's allow-list.
# The cluster's interfaces are where the control plane leaves, but their addresses change (at each version update, and when AWS replaces a server): list their security group or subnets, not the addresses.
aws --region eu-west-1 ec2 authorize-security-group-ingress --group-id sg-0a1b --protocol tcp --port 443 --source-group sg-0c1u
