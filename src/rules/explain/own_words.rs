//! Texts that say something else of their code's matter than its page does.

/// Title and repair of such a text.
pub(super) fn own_words(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text {
        "sts-token-expired" => (
            "The token that the program showed STS has expired",
            "In a Pod the kubelet writes a new token into the file in time: have the program read AWS_WEB_IDENTITY_TOKEN_FILE again (current SDKs do), or start it anew; of a token that was not old, look at the clock of whoever issued it.",
        ),
        "owner-refused" => (
            "Who names an owner on an object needs a right on the object, and on an owner that waits for it",
            "For blockOwnerDeletion: true, have update on the subresource finalizers of the owner's type granted (rules: resources: [OWNERS/finalizers], verbs: [update], in the owner's API group), or leave it false; to change ownerReferences, delete on the object itself. kaccess can-i update OWNERS/finalizers -n NAMESPACE --why looks.",
        ),
        "sts-region-disabled" => (
            "STS is switched off in the region that was asked",
            "Have an administrator of the account activate STS in that region (IAM console, Account settings), or have the program ask another region's STS (AWS_REGION; AWS_STS_REGIONAL_ENDPOINTS=regional).",
        ),
        "aws-region" => (
            "The AWS tool was not told a region",
            "Name the cluster's region in the user's exec entry: --region REGION among its args, or AWS_REGION in its env (aws eks update-kubeconfig --name CLUSTER --region REGION writes it); outside of a kubeconfig in the environment.",
        ),
        "login-client-refused" => (
            "The identity provider refuses the client that the plugin logs in with",
            "Compare the user entry with the client at the identity provider: --oidc-client-id and --oidc-client-secret, the scopes (--oidc-extra-scope), the grants that the client may use, and its redirect URI (http://localhost:8000 and http://localhost:18000 are kubelogin's own). No new login mends it.",
        ),
        "pipeline-role" => (
            "AWS does not let the pipeline take the role that it is to reach the cluster with",
            "Register the pipeline's issuer in the role's account (aws iam create-open-id-connect-provider --url ISSUER --client-id-list sts.amazonaws.com), and have the role's trust policy name that provider with the audience and the subject of this pipeline; no login of a person mends it.",
        ),
        "plugin-sts-unreachable" => (
            "AWS' STS does not answer this machine",
            "Let this machine out to that address (a proxy: HTTPS_PROXY; a network without a way out: a VPC endpoint for STS), or name the right region (AWS_REGION); then ask again: aws sts get-caller-identity.",
        ),
        "pod-identity-agent-address" => (
            "The Pod Identity agent was asked by another address than its own",
            "Have AWS_CONTAINER_CREDENTIALS_FULL_URI name http://169.254.170.23/v1/credentials (or [fd00:ec2::23]), as the webhook injects it, and no proxy stand between: both addresses belong into the container's NO_PROXY.",
        ),
        "pod-identity-agent-token" => (
            "The Pod Identity agent was asked without a token",
            "Use an SDK that knows AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (one from 2024 or later), and have both variables injected: make the Pod again where it has only one. By hand: curl -H \"Authorization: $(cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)\" $AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        "eks-no-cluster" => (
            "EKS has no cluster of that name in the region and account that were asked",
            "See whom the AWS tools take you for and which clusters are there (aws sts get-caller-identity, aws eks list-clusters --region REGION): mostly the region or the profile is another one; else the cluster was deleted.",
        ),
        "eks-cidrs-invalid" => (
            "EKS does not take these ranges for the public endpoint",
            "Give only public ranges in publicAccessCidrs (no private or reserved ones; IPv6 only where the cluster is dual-stack IPv6). Who comes by private addresses enters by the private endpoint, which security groups guard.",
        ),
        "jwks-failed" => (
            "The API server does not get the issuer's key set",
            "Read what stands behind these words in the API server's log: a status is a refusal, anything else means that the key set's URL was not reached.",
        ),
        "sdk-sts-unreachable" => (
            "The program does not get through to STS",
            "Give it a way out to sts.REGION.amazonaws.com on port 443 (a NAT gateway, or an interface endpoint for STS in its VPC; through a proxy, HTTPS_PROXY), and have it ask its own region's STS (AWS_STS_REGIONAL_ENDPOINTS=regional, AWS_REGION).",
        ),
        "sdk-token-file-denied" => (
            "The program may not read the token of its role",
            "Set securityContext.fsGroup (65534 will do) in the Pod's template, so that a program that is not root may read the file; newer kubelets also set its owner where all containers have the same runAsUser.",
        ),
        "kubelet-scrape" => (
            "metrics-server does not trust the certificate of a kubelet",
            "Have the kubelets' certificates signed by the cluster (serverTLSBootstrap: true in the kubelet's configuration, then kubectl certificate approve each request of kubectl get csr); or, in a cluster for trying things out, start metrics-server with --kubelet-insecure-tls.",
        ),
        "kubelet-no-agent" => (
            "The tunnel from the API server to the nodes has no agent",
            "Look at the konnectivity-agent Pods in kube-system and at their log (kubectl -n kube-system get pods -o wide): none is connected to the server of the tunnel, through which exec, logs and port-forward go.",
        ),
        "kubelet-scrape-unauthorized" => (
            "The kubelet does not know the one who scrapes it",
            "Have the scraper send its service account's token (bearer_token_file, or authorization in the scrape's settings), and the kubelet ask about tokens: authentication.webhook.enabled: true in its configuration.",
        ),
        "kubelet-scrape-forbidden" => (
            "The kubelet does not let the scraper read its metrics",
            "Grant the scraper's service account get on nodes/metrics (a ClusterRole and a ClusterRoleBinding): kubectl create clusterrole kubelet-metrics --verb=get --resource=nodes/metrics",
        ),
        "k3s-token" => (
            "The k3s server does not take the agent's token",
            "Take the server's token anew (/var/lib/rancher/k3s/server/node-token on it, or k3s token create), and give it to the agent (K3S_TOKEN, or token in its configuration).",
        ),
        "k3s-token-ca" => (
            "The agent's token was made for another cluster's CA",
            "Take the server's token anew (/var/lib/rancher/k3s/server/node-token on it); where K3S_URL is right, the cluster's CA was made anew since, and the agent's old one in /var/lib/rancher/k3s/agent must go.",
        ),
        "kubeadm-ca-hash" => (
            "The hash that kubeadm was given is not that of this cluster's CA",
            "Have the whole command made anew on a node of the control plane (kubeadm token create --print-join-command): --discovery-token-ca-cert-hash is of another CA, or the address is another cluster's.",
        ),
        "iam-session-name" => (
            "A role that is mapped as nodes' was used by somebody who is no instance",
            "The mapping of this role has {{EC2PrivateDNSName}} or {{SessionName}} of an instance: map people and programs by an entry of their own (aws eks create-access-entry), and leave the nodes' role to nodes.",
        ),
        "kubelet-certificate-expired" => (
            "The kubelet's client certificate has expired",
            "On the node: delete /var/lib/kubelet/pki/kubelet-client-current.pem, give the kubelet a bootstrap kubeconfig again (kubeadm token create on the control plane; /etc/kubernetes/bootstrap-kubelet.conf), restart it, and approve its request (kubectl get csr).",
        ),
        "kubelet-authorization" => (
            "The kubelet could not decide that this is allowed, or denied it",
            "Where it says Authorization error, the kubelet did not reach the API server's SubjectAccessReview: look at its log and its kubeconfig. Else grant the user named the nodes/ subresource named.",
        ),
        "no-roots" => (
            "The kubeconfig names no CA, and this machine has none of its own",
            "Put the cluster's CA into the cluster entry (kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs), or install the system's roots (the package ca-certificates), as small images lack them.",
        ),
        "etcd-trouble" => (
            "The API server's etcd is slow, or changes its leader",
            "Try again; if it stays, have the administrator look at etcd's health and disks (etcdctl endpoint status --cluster).",
        ),
        "server-proxy" => (
            "The API server asks a proxy that its settings name wrongly",
            "Correct HTTP_PROXY and HTTPS_PROXY in the API server's environment (a variable's name stands there unresolved, or a dead proxy), and list the Pods', services' and nodes' ranges in its NO_PROXY.",
        ),
        _ => return None,
    })
}
