//! Plugins that run now, known so that a signal, a limit or an interrupt ends them with all that they started.

/// Plugins that run now, for a signal that ends kaccess: a plugin outside the terminal's group never hears a Ctrl-C.
#[cfg(unix)]
static RUNNING: std::sync::Mutex<Vec<Group>> = std::sync::Mutex::new(Vec::new());

/// Ends every plugin that runs, with all that it started.
pub fn end_plugins() {
    #[cfg(unix)]
    for group in RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
        group.kill();
    }
}

/// A plugin's process, with its process group where it leads one.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    leader: rustix::process::Pid,
    own: bool,
}

#[cfg(unix)]
impl Group {
    fn kill(self) {
        use rustix::process::{Signal, kill_process, kill_process_group};
        // It may have ended by itself.
        let _ = if self.own {
            kill_process_group(self.leader, Signal::KILL)
        } else {
            kill_process(self.leader, Signal::KILL)
        };
    }
}

/// A running plugin; its group ends when this is dropped before it is let go, as on an interrupt.
pub(super) struct Running {
    #[cfg(unix)]
    group: Option<Group>,
}

impl Running {
    /// Starts a plugin, with the group that it leads where it has one of its `own`. It is known before anybody can ask
    /// which plugins run: a signal that comes in between waits for it.
    pub(super) fn start(
        process: &mut tokio::process::Command,
        own: bool,
    ) -> std::io::Result<(tokio::process::Child, Self)> {
        #[cfg(unix)]
        {
            let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let child = process.spawn()?;
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
            let group = id.map(|leader| Group { leader, own });
            running.extend(group);
            Ok((child, Self { group }))
        }
        #[cfg(not(unix))]
        {
            let _ = own;
            Ok((process.spawn()?, Self {}))
        }
    }

    /// Kills every process of its group.
    pub(super) fn end(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group.filter(|group| group.own) {
            group.kill();
        }
    }

    /// The plugin itself has ended, so that its number may become another process'; its group is still known by it.
    pub(super) fn ended(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group.filter(|group| !group.own) {
            forget(group);
        }
    }

    /// Leaves it alone from here on.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to forget"))]
    pub(super) fn let_go(mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.take() {
            forget(group);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        #[cfg(unix)]
        if let Some(group) = self.group {
            forget(group);
        }
    }
}

#[cfg(unix)]
fn forget(group: Group) {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|other| *other != group);
}
