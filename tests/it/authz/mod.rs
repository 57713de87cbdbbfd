//! Access questions in the lab: the model, can-i, who-can and whoami against the real kube-apiserver and kubectl.

mod fidelity;
mod random;
