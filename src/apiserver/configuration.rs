//! The flags and files that configure authentication, as kube-apiserver reads them.
