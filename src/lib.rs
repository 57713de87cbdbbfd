//! kaccess explains why somebody cannot get into a Kubernetes cluster: look, write down, think, tell.
//!
//! | module | may use |
//! |---|---|
//! | text, evidence, gotext | nothing of ours |
//! | secret | text |
//! | host | secret |
//! | credential | secret, evidence, gotext |
//! | apiserver | evidence, credential::chain, gotext, text |
//! | aws | evidence, gotext, text |
//! | report | evidence, text |
//! | collect | host, secret, evidence, credential, apiserver::{message, configuration}, aws::identity, gotext, text |
//! | rules | evidence, apiserver, aws, report, text |
//! | render | report, evidence, text |
//! | cli | all |

pub mod apiserver;
pub mod aws;
pub mod cli;
pub mod collect;
pub mod credential;
pub mod evidence;
pub mod gotext;
pub mod host;
pub mod render;
pub mod report;
pub mod rules;
pub mod secret;
pub mod text;
