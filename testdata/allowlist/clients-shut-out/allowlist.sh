# In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.
aws --region eu-west-1 eks update-cluster-config --name prod --resources-vpc-config 'publicAccessCidrs=192.0.2.0/24,198.18.0.9/32'
