//! The two opinions on random executions of one key: by revision in linear time, and by search.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_codec::encode_command;
use quorate_consensus::{Index, Instant, NodeId};
use quorate_kv::naive::Naive;
use quorate_kv::{Command, KeyValue, PutRequest, RangeRequest, RangeResponse};
use quorate_replica::{Answer, ReadRequest, ReadResponse, Ticket};
use quorate_sim::check::history::History;
use quorate_sim::check::history::search::{Action, Event, Verdict, search};
use quorate_sim::clients::{Ask, End};

const STEPS_MAX: usize = 1_000_000;

const KEY: Bytes = Bytes::from_static(b"key");

/// What a client does to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Put,
    Get,
}

/// An operation of one of a few clients: pauses, then takes effect some time after it is asked,
/// and returns some time after that.
#[derive(Clone, Debug)]
struct Step {
    client: usize,
    call: Call,
    pause: u64,
    until_effect: u64,
    until_return: u64,
}

/// When things happened, and what was told.
#[derive(Clone, Debug)]
struct Done {
    invoked: u64,
    effect: u64,
    returned: u64,
    call: Call,
    answer: Answer,
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![Just(Call::Put), Just(Call::Get)];
    (0..4_usize, call, 0..4_u64, 0..9_u64, 0..9_u64).prop_map(
        |(client, call, pause, until_effect, until_return)| Step {
            client,
            call,
            pause,
            until_effect,
            until_return,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..25)
}

fn put(operation: usize) -> Command {
    let value = Bytes::from(format!("v{operation}"));
    Command::Put(PutRequest { key: KEY, value, ..PutRequest::default() })
}

fn get() -> RangeRequest {
    RangeRequest { key: KEY, ..RangeRequest::default() }
}

/// The execution of a correct store. Every point of time is used once.
fn execute(steps: &[Step]) -> Vec<Done> {
    let mut free_at = [0; 4];
    let mut done: Vec<Done> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let unique = |time: u64, what: u64| (time * 32 + number as u64) * 4 + what;
        let invoked: u64 = free_at[step.client] + step.pause;
        let effect = invoked + step.until_effect;
        let returned = effect + step.until_return;
        free_at[step.client] = returned + 1;
        done.push(Done {
            invoked: unique(invoked, 0),
            effect: unique(effect, 1),
            returned: unique(returned, 2),
            call: step.call,
            answer: Answer::Behind,
        });
    }
    let mut order: Vec<usize> = (0..done.len()).collect();
    order.sort_by_key(|operation| done[*operation].effect);
    let mut store = Naive::new();
    for operation in order {
        let one = &mut done[operation];
        one.answer = match one.call {
            Call::Put => Answer::Command(store.apply(&put(operation))),
            Call::Get => Answer::Read(store.range(&get()).map(ReadResponse::Range)),
        };
    }
    done
}

/// What happens in the history, in order of time.
enum Point {
    Asked,
    Effect,
    Returned,
}

fn by_revision(done: &[Done]) -> Result<(), String> {
    let mut points: Vec<(u64, usize, Point)> = Vec::new();
    for (operation, one) in done.iter().enumerate() {
        points.push((one.invoked, operation, Point::Asked));
        points.push((one.returned, operation, Point::Returned));
        if one.call == Call::Put {
            points.push((one.effect, operation, Point::Effect));
        }
    }
    points.sort_by_key(|(time, ..)| *time);
    let mut history = History::searching([KEY]);
    let mut index = Index::ZERO;
    for (time, operation, point) in points {
        let one = &done[operation];
        let ticket = Ticket(operation as u64);
        let result = match point {
            Point::Asked => {
                let ask = match one.call {
                    Call::Put => Ask::Command(put(operation)),
                    Call::Get => Ask::Linearizable(ReadRequest::Range(get())),
                };
                history.on_ask(Instant::from_micros(time), ticket, NodeId(1), &ask);
                Ok(())
            }
            Point::Effect => {
                index = index.next();
                history.on_commit(index, Some(&encode_command(&put(operation))))
            }
            Point::Returned => history.on_end(ticket, &End::Answer(one.answer.clone())),
        };
        result.map_err(|violation| violation.to_string())?;
    }
    history.finish().map_err(|violation| violation.to_string())
}

/// What was written, or seen.
#[derive(Clone, Debug)]
enum Seen {
    Wrote(Bytes),
    Read(Option<Bytes>),
}

impl Action for Seen {
    type State = Option<Bytes>;

    fn step(&self, state: &Option<Bytes>) -> Option<Option<Bytes>> {
        match self {
            Self::Wrote(value) => Some(Some(value.clone())),
            Self::Read(seen) => (seen == state).then(|| state.clone()),
        }
    }
}

fn by_search(done: &[Done]) -> Verdict {
    let event = |(operation, one): (usize, &Done)| {
        let action = match &one.answer {
            Answer::Read(Ok(ReadResponse::Range(range))) => {
                Seen::Read(range.kvs.first().map(|kv| kv.value.clone()))
            }
            _ => Seen::Wrote(format!("v{operation}").into()),
        };
        Event { invoked: one.invoked, returned: Some(one.returned), action }
    };
    let events: Vec<Event<Seen>> = done.iter().enumerate().map(event).collect();
    search(None, &events, STEPS_MAX)
}

/// Has one read answer what another saw.
fn spoil(done: &mut [Done], target: prop::sample::Index, source: prop::sample::Index) -> bool {
    let is_read = |one: &Done| one.call == Call::Get;
    let reads: Vec<usize> = (0..done.len()).filter(|one| is_read(&done[*one])).collect();
    if reads.is_empty() {
        return false;
    }
    let (target, source) = (reads[target.index(reads.len())], reads[source.index(reads.len())]);
    done[target].answer = done[source].answer.clone();
    target != source
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_register_satisfies_both(steps in steps()) {
        let done = execute(&steps);
        prop_assert_eq!(by_revision(&done), Ok(()));
        prop_assert_eq!(by_search(&done), Verdict::Linearizable);
    }

    /// Revisions tell more than values do, so the first may refuse what the second accepts, and
    /// never the other way round.
    #[test]
    fn what_the_search_refuses_the_revisions_refuse(
        steps in steps(),
        target in any::<prop::sample::Index>(),
        source in any::<prop::sample::Index>(),
    ) {
        let mut done = execute(&steps);
        spoil(&mut done, target, source);
        match by_search(&done) {
            Verdict::Impossible => prop_assert!(by_revision(&done).is_err()),
            verdict => prop_assert_eq!(verdict, Verdict::Linearizable),
        }
    }
}

/// An answer that nothing explains: both refuse it, whatever surrounds it.
#[test]
fn a_value_that_was_never_written_satisfies_neither() {
    let steps: Vec<Step> = (0..12)
        .map(|number| Step {
            client: number % 3,
            call: if number.is_multiple_of(2) { Call::Put } else { Call::Get },
            pause: 1,
            until_effect: 2,
            until_return: 1,
        })
        .collect();
    for target in (1..12).step_by(2) {
        let mut done = execute(&steps);
        assert_eq!(by_revision(&done), Ok(()));
        let kv = KeyValue { key: KEY, value: "never".into(), ..KeyValue::default() };
        let range = RangeResponse { revision: 2, kvs: vec![kv], more: false, count: 1 };
        done[target].answer = Answer::Read(Ok(ReadResponse::Range(range)));
        assert_eq!(by_search(&done), Verdict::Impossible);
        assert!(by_revision(&done).is_err());
    }
}

/// In a history without overlap there is one order, and both refuse every read but the right one.
#[test]
fn without_overlap_both_refuse_every_other_answer() {
    let step = |number: usize| Step {
        client: 0,
        call: if number.is_multiple_of(2) { Call::Put } else { Call::Get },
        pause: 1,
        until_effect: 1,
        until_return: 1,
    };
    let steps: Vec<Step> = (0..16).map(step).collect();
    for (target, source) in (1..16).step_by(2).flat_map(|a| (1..16).step_by(2).map(move |b| (a, b)))
    {
        let mut done = execute(&steps);
        done[target].answer = done[source].answer.clone();
        let is_right = target == source;
        assert_eq!(by_search(&done) == Verdict::Linearizable, is_right);
        assert_eq!(by_revision(&done).is_ok(), is_right, "{target} as {source}");
    }
}
