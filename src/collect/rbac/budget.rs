//! What reading RBAC may cost. An empty object takes two bytes on the wire and two hundred in memory, so a limit on the
//! bytes of an answer bounds nothing: what is kept is paid for before it is kept.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Memory that may still be taken, in bytes, by estimate.
#[derive(Debug)]
pub struct Budget(AtomicUsize);

/// There is not as much left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent;

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// What may still be taken.
    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes so much, if it is left.
    pub fn pay(&self, cost: usize) -> Result<(), Spent> {
        let paid = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost));
        paid.map(|_| ()).map_err(|_| Spent)
    }
}

/// What one object has cost so far. It is given back when this goes, unless the object is kept.
#[derive(Debug)]
pub struct Bill<'b> {
    budget: &'b Budget,
    paid: usize,
    /// More was asked for than was left.
    pub spent: bool,
}

impl<'b> Bill<'b> {
    /// Nothing yet.
    pub fn new(budget: &'b Budget) -> Self {
        Self { budget, paid: 0, spent: false }
    }

    /// Takes so much.
    pub fn pay(&mut self, cost: usize) -> Result<(), Spent> {
        let result = self.budget.pay(cost);
        match result {
            Ok(()) => self.paid += cost,
            Err(Spent) => self.spent = true,
        }
        result
    }

    /// All of it.
    pub fn paid(&self) -> usize {
        self.paid
    }

    /// The object stays, so nothing is given back.
    pub fn keep(mut self) {
        self.paid = 0;
    }
}

impl Drop for Bill<'_> {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.paid, Ordering::Relaxed);
    }
}

/// What so many bytes take on the heap: the allocator's own part, and its smallest piece.
pub fn heap(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_given_back() {
        let budget = Budget::new(100);
        let mut bill = Bill::new(&budget);
        assert_eq!((bill.pay(60), bill.pay(60), bill.spent), (Ok(()), Err(Spent), true));
        drop(bill);
        let mut bill = Bill::new(&budget);
        assert_eq!(bill.pay(90), Ok(()));
        bill.keep();
        assert_eq!((budget.pay(11), budget.pay(10)), (Err(Spent), Ok(())));
    }
}
