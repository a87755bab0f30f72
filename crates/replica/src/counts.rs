//! How much of what was applied: for whoever watches the node.

use quorate_kv::{CommandError, Response, ResponseOp};

/// Operations applied by this node since it started, each operation of a transaction counted.
/// Refused commands are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys written.
    pub puts: u64,
    /// Deletes of keys or ranges.
    pub deletes: u64,
    /// Ranges within transactions that write.
    pub ranges: u64,
    /// Transactions of more than one operation.
    pub txns: u64,
    /// Compactions.
    pub compactions: u64,
}

impl Counts {
    pub(crate) fn on_applied(&mut self, result: &Result<Response, CommandError>) {
        match result {
            Ok(Response::Put(_)) => self.puts += 1,
            Ok(Response::DeleteRange(_)) => self.deletes += 1,
            Ok(Response::Compact(_)) => self.compactions += 1,
            Ok(Response::Txn(txn)) => {
                let before = self.operations();
                self.on_branch(&txn.responses);
                self.txns += u64::from(before + 1 < self.operations());
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn on_branch(&mut self, responses: &[ResponseOp]) {
        for response in responses {
            match response {
                ResponseOp::Range(_) => self.ranges += 1,
                ResponseOp::Put(_) => self.puts += 1,
                ResponseOp::DeleteRange(_) => self.deletes += 1,
                ResponseOp::Txn(nested) => self.on_branch(&nested.responses),
            }
        }
    }

    fn operations(&self) -> u64 {
        self.puts + self.deletes + self.ranges
    }
}

#[cfg(test)]
mod tests {
    use quorate_kv::{DeleteRangeResponse, PutResponse, RangeResponse, TxnResponse};

    use super::*;

    fn txn(responses: Vec<ResponseOp>) -> TxnResponse {
        TxnResponse { responses, ..TxnResponse::default() }
    }

    #[test]
    fn each_operation_counts_and_a_transaction_only_if_it_has_several() {
        let put = || ResponseOp::Put(PutResponse::default());
        let mut counts = Counts::default();
        counts.on_applied(&Ok(Response::Put(PutResponse::default())));
        counts.on_applied(&Ok(Response::Txn(txn(vec![put()]))));
        assert_eq!(counts, Counts { puts: 2, ..Counts::default() });

        let range = ResponseOp::Range(RangeResponse::default());
        let delete = ResponseOp::DeleteRange(DeleteRangeResponse::default());
        let nested = ResponseOp::Txn(txn(vec![put(), delete]));
        counts.on_applied(&Ok(Response::Txn(txn(vec![range, nested]))));
        counts.on_applied(&Err(CommandError::NoSpace));
        let expected = Counts { puts: 3, deletes: 1, ranges: 1, txns: 1, compactions: 0 };
        assert_eq!(counts, expected);
    }
}
