//! Order, waking, leaving without waking, and how each end learns that the other is gone.

use super::*;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn messages_come_in_order_those_left_without_waking_included() {
    let (sender, mut receiver) = channel();
    sender.send(1).unwrap();
    sender.leave(2).unwrap();
    sender.clone().send(3).unwrap();
    assert_eq!([receiver.recv(), receiver.try_recv()], [Some(1), Some(2)]);
    sender.send(4).unwrap();
    assert_eq!(receiver.recv_timeout(LONG), Ok(3));
    assert_eq!([receiver.try_recv(), receiver.try_recv()], [Some(4), None]);
}

#[test]
fn a_sleeping_receiver_is_woken() {
    let (sender, mut receiver) = channel();
    let (answers, answered) = std::sync::mpsc::channel();
    let echo = thread::spawn(move || {
        while let Some(message) = receiver.recv() {
            answers.send(message).unwrap();
        }
    });
    for message in 0..1000 {
        sender.send(message).unwrap();
        assert_eq!(answered.recv_timeout(LONG), Ok(message));
    }
    sender.leave(1000).unwrap();
    sender.wake();
    assert_eq!(answered.recv_timeout(LONG), Ok(1000));
    drop(sender);
    echo.join().unwrap();
}

#[test]
fn what_is_left_is_found_at_the_next_wake_up() {
    let (sender, mut receiver) = channel();
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(Nothing::Timeout));
    sender.leave(7).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(7));
    assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(Nothing::Timeout));
}

#[test]
fn each_end_learns_that_the_other_is_gone() {
    let (sender, mut receiver) = channel();
    sender.clone().send(1).unwrap();
    drop(sender);
    assert_eq!([receiver.recv(), receiver.recv()], [Some(1), None]);
    assert_eq!(receiver.recv_timeout(LONG), Err(Nothing::Disconnected));

    let (sender, receiver) = channel();
    let waiter = Arc::new(());
    sender.send(waiter.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&waiter), 1, "what waited is dropped");
    assert_eq!(sender.send(waiter.clone()), Err(Gone));
    assert_eq!(Arc::strong_count(&waiter), 1);
}
