//! Bifrost Integrations on one machine: the SAM template, the real function binaries, and nothing of AWS.
//!
//! [`Stack::start`] reads `infra/template.yaml`, builds the functions, and serves its HTTP API; every function runs as
//! the process that it is in Lambda, and finds DynamoDB, KMS and Secrets Manager where the AWS SDK is told to look.
//! The program `bifrost-local` is a thin layer over it; so are the end-to-end tests and the benchmarks.
//!
//! | module | stands in for |
//! | --- | --- |
//! | [`template`] | CloudFormation and SAM |
//! | `gateway` | API Gateway's HTTP API, with its authorizer and the authorizer's cache |
//! | `runtime` | Lambda |
//! | `aws` | DynamoDB, KMS, Secrets Manager |
//! | `schedule` | EventBridge Scheduler |
//! | [`provider`] | somebody else's OAuth provider |

mod aws;
mod build;
mod checkpoint;
pub mod console;
mod data;
mod error;
mod gateway;
mod options;
pub mod provider;
mod runtime;
mod schedule;
mod stack;
pub mod template;
pub mod welcome;

use uuid::Uuid;

pub use aws::dynamodb::TableError;
pub use aws::policy::fits;
pub use aws::{Access, Call, Fault, Hook, Observer};
pub use build::BuildError;
pub use checkpoint::{Checkpoint, Moment};
pub use console::LogSink;
pub use data::{Data, FolderError};
pub use error::{InvokeError, StartError};
pub use options::{Build, Options};
pub use runtime::Failure;
pub use stack::{ROOT_KEY_FILE, Stack};

/// An X-Ray trace id, which functions expect although nobody collects traces here.
fn trace_id() -> String {
    let id = Uuid::now_v7().simple().to_string();
    format!("Root=1-{}-{}", &id[..8], &id[8..])
}
