# In a firewall on the client's side, allow the endpoint by its name: its addresses may change within a minute.
# publicAccessCidrs lets in today what is known here: nothing is to be added.
