//! Does single-decree Paxos decide one thing, whatever happens?
