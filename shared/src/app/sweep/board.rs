//! Who is next: the grants that wait to be swept, by provider and connection, without I/O.
//!
//! A provider's host has so many places and no more, and whichever host has the fewest under way is served next: one
//! that takes 40 s for an answer fills its own places and nobody else's. The first grant of a connection goes alone; if
//! the provider turns the client away, none of the others need be sent to find that out. While a provider fails, a
//! connection's grants go on one by one: its recovery is noticed, and it is not buried in requests.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::store::ItemKey;

/// How many exchanges are in flight at one host.
const PER_HOST: f64 = 48.0;
/// How long a connection's others wait for the one that went first. A client is turned away more quickly than that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many keys are held for one host, and for all: more than a sweep has time for; 250 bytes each.
const HELD_PER_HOST: usize = 16_384;
const HELD: usize = 65_536;

/// A grant, and the connection it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub grant: ItemKey,
    pub connection: ItemKey,
}

/// What a finished exchange tells about those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// The provider had nothing against the client.
    Accepted,
    /// The host wants fewer requests, and may have said for how long none.
    Throttled(Option<Duration>),
    /// The connection's breaker holds its grants back.
    HeldBack,
    None,
}

#[derive(Debug, Default)]
pub(super) struct Board {
    hosts: Vec<Host>,
    places: HashMap<String, usize>,
    lines: HashMap<ItemKey, Line>,
    /// Connections whose first grant is under way, and since when.
    first_out: VecDeque<(ItemKey, Instant)>,
    held: usize,
}

#[derive(Debug)]
struct Host {
    /// Connections that may send one now.
    ready: VecDeque<ItemKey>,
    held: usize,
    in_flight: usize,
    /// How many may be in flight: less after each complaint, slowly more with each success, as TCP does it.
    limit: f64,
    closed_until: Option<Instant>,
}

/// The grants of one connection.
#[derive(Debug)]
struct Line {
    host: usize,
    waiting: VecDeque<ItemKey>,
    in_flight: usize,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Untried,
    Proven,
    HeldBack,
}

impl Board {
    pub(super) fn knows(&self, connection: &ItemKey) -> bool {
        self.lines.contains_key(connection)
    }

    /// A connection that was met for the first time. `held_back`: its grants are not to be sent at all.
    pub(super) fn introduce(&mut self, connection: ItemKey, host: &str, held_back: bool) {
        let hosts = &mut self.hosts;
        let host = *self.places.entry(host.to_owned()).or_insert_with(|| {
            hosts.push(Host {
                ready: VecDeque::new(),
                held: 0,
                in_flight: 0,
                limit: PER_HOST,
                closed_until: None,
            });
            hosts.len() - 1
        });
        let standing = if held_back { Standing::HeldBack } else { Standing::Untried };
        self.lines.insert(connection, Line { host, waiting: VecDeque::new(), in_flight: 0, standing });
    }

    /// Puts a grant of a known connection in its line.
    pub(super) fn add(&mut self, job: Job) -> Added {
        let Some(line) = self.lines.get_mut(&job.connection) else {
            return Added::NoRoom;
        };
        let host = &mut self.hosts[line.host];
        if line.standing == Standing::HeldBack {
            return Added::HeldBack;
        }
        if host.held >= HELD_PER_HOST || self.held >= HELD {
            return Added::NoRoom;
        }
        line.waiting.push_back(job.grant);
        host.held += 1;
        self.held += 1;
        if line.waiting.len() == 1 && line.may_send() {
            host.ready.push_back(job.connection);
        }
        Added::Waiting
    }

    /// The next one to be sent.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        self.let_follow(now);
        let open = |host: &&mut Host| host.is_open(now) && !host.ready.is_empty();
        let host = self.hosts.iter_mut().filter(open).min_by_key(|host| host.in_flight)?;
        let connection = host.ready.pop_front()?;
        let line = self.lines.get_mut(&connection)?;
        let grant = line.waiting.pop_front()?;
        (line.in_flight, host.in_flight) = (line.in_flight + 1, host.in_flight + 1);
        (self.held, host.held) = (self.held - 1, host.held - 1);
        if line.may_send() && !line.waiting.is_empty() {
            host.ready.push_back(connection.clone());
        }
        if line.standing == Standing::Untried {
            self.first_out.push_back((connection.clone(), now));
        }
        Some(Job { grant, connection })
    }

    /// Those whose first has been away for long follow it: what takes so long is not the client.
    fn let_follow(&mut self, now: Instant) {
        while let Some((connection, _)) =
            self.first_out.pop_front_if(|(_, since)| now.duration_since(*since) >= PATIENCE)
        {
            let Some(line) = self.lines.get_mut(&connection) else { continue };
            if line.standing == Standing::Untried && line.in_flight > 0 {
                line.standing = Standing::Proven;
                if !line.waiting.is_empty() {
                    self.hosts[line.host].ready.push_back(connection);
                }
            }
        }
    }

    /// One has come back. Returns how many others of its connection need not be sent any more.
    pub(super) fn finish(&mut self, connection: &ItemKey, lesson: Lesson, now: Instant) -> u64 {
        let Some(line) = self.lines.get_mut(connection) else {
            return 0;
        };
        let host = &mut self.hosts[line.host];
        (line.in_flight, host.in_flight) = (line.in_flight - 1, host.in_flight - 1);
        match lesson {
            Lesson::Accepted => host.limit = (host.limit + 1.0 / host.limit).min(PER_HOST),
            Lesson::Throttled(pause) => {
                host.limit = (host.limit / 2.0).max(1.0);
                host.closed_until = host.closed_until.max(pause.map(|pause| now + pause));
            }
            Lesson::HeldBack | Lesson::None => {}
        }
        let could_send = line.may_send() && line.standing == Standing::Proven;
        match lesson {
            Lesson::HeldBack => line.standing = Standing::HeldBack,
            Lesson::Accepted if line.standing == Standing::Untried => line.standing = Standing::Proven,
            _ => {}
        }
        if line.standing == Standing::HeldBack {
            host.ready.retain(|ready| ready != connection);
            let dropped = std::mem::take(&mut line.waiting).len();
            (self.held, host.held) = (self.held - dropped, host.held - dropped);
            return dropped as u64;
        }
        if !could_send && line.may_send() && !line.waiting.is_empty() {
            host.ready.push_back(connection.clone());
        }
        0
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.held
    }

    pub(super) fn has_room(&self) -> bool {
        self.held < HELD
    }
}

/// What became of a grant that was put in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Waiting,
    HeldBack,
    /// The next sweep's.
    NoRoom,
}

impl Host {
    fn is_open(&self, now: Instant) -> bool {
        (self.in_flight as f64) < self.limit.floor() && self.closed_until.is_none_or(|until| until <= now)
    }
}

impl Line {
    fn may_send(&self) -> bool {
        match self.standing {
            Standing::Untried => self.in_flight == 0,
            Standing::Proven => true,
            Standing::HeldBack => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ItemKey {
        ItemKey { pk: text.to_owned(), sk: String::new() }
    }

    /// A board with so many grants for each connection; the connection's name is also its host's.
    fn board(connections: &[(&str, usize)]) -> Board {
        let mut board = Board::default();
        for (connection, grants) in connections {
            board.introduce(key(connection), connection, false);
            for number in 0..*grants {
                let grant = key(&format!("{connection} {number}"));
                board.add(Job { grant, connection: key(connection) });
            }
        }
        board
    }

    /// Sends until nobody may send any more, or so many are sent; and how many of each connection.
    fn send(board: &mut Board, at_most: usize, now: Instant) -> HashMap<String, usize> {
        let mut sent = HashMap::new();
        for _ in 0..at_most {
            let Some(job) = board.next(now) else { break };
            *sent.entry(job.connection.pk).or_default() += 1;
        }
        sent
    }

    fn prove(board: &mut Board, connections: &[&str], now: Instant) {
        send(board, connections.len(), now);
        for connection in connections {
            board.finish(&key(connection), Lesson::Accepted, now);
        }
    }

    #[test]
    fn the_first_of_a_connection_goes_alone() {
        let now = Instant::now();
        let mut board = board(&[("halo", 100)]);
        assert_eq!(send(&mut board, 10, now)["halo"], 1);
        assert_eq!(board.finish(&key("halo"), Lesson::Accepted, now), 0);
        assert_eq!(send(&mut board, 1000, now)["halo"], PER_HOST as usize);
    }

    #[test]
    fn the_others_of_a_connection_do_not_wait_for_ever_for_the_first() {
        let now = Instant::now();
        let mut board = board(&[("halo", 100)]);
        send(&mut board, 10, now);
        assert!(send(&mut board, 10, now + PATIENCE / 2).is_empty());
        assert_eq!(send(&mut board, 10, now + PATIENCE)["halo"], 10);
        board.finish(&key("halo"), Lesson::None, now + PATIENCE);
        assert_eq!(send(&mut board, 1000, now + PATIENCE)["halo"], PER_HOST as usize - 10);
    }

    #[test]
    fn one_refused_client_keeps_the_others_of_its_connection_back_and_nobody_else() {
        let now = Instant::now();
        let mut board = board(&[("halo", 100), ("xero", 3)]);
        send(&mut board, 2, now);
        assert_eq!(board.finish(&key("halo"), Lesson::HeldBack, now), 99);
        assert_eq!(board.finish(&key("xero"), Lesson::Accepted, now), 0);
        assert_eq!(send(&mut board, 10, now), HashMap::from([("xero".to_owned(), 2)]));
        let late = Job { grant: key("halo 100"), connection: key("halo") };
        assert_eq!((board.add(late), board.waiting()), (Added::HeldBack, 0));
    }

    #[test]
    fn hosts_share_what_places_there_are() {
        let now = Instant::now();
        let mut board = board(&[("a", 500), ("b", 500), ("c", 10)]);
        prove(&mut board, &["a", "b", "c"], now);
        let sent = send(&mut board, 60, now);
        assert_eq!([sent["a"], sent["b"], sent["c"]], [26, 25, 9]);
    }

    #[test]
    fn a_slow_host_fills_its_own_places_only() {
        let now = Instant::now();
        let mut board = board(&[("slow", 500), ("quick", 500)]);
        prove(&mut board, &["slow", "quick"], now);
        send(&mut board, 96, now);
        // Nothing of the slow host comes back any more.
        for _ in 0..400 {
            board.finish(&key("quick"), Lesson::Accepted, now);
            assert_eq!(send(&mut board, 96, now), HashMap::from([("quick".to_owned(), 1)]));
        }
    }

    #[test]
    fn a_host_that_complains_gets_less_and_then_slowly_more() {
        let now = Instant::now();
        let mut board = board(&[("halo", 5000)]);
        prove(&mut board, &["halo"], now);
        send(&mut board, 100, now);
        for _ in 0..3 {
            board.finish(&key("halo"), Lesson::Throttled(None), now);
        }
        assert_eq!(board.hosts[0].limit, 6.0);
        for _ in 0..45 {
            board.finish(&key("halo"), Lesson::Accepted, now);
        }
        let sent = send(&mut board, 100, now)["halo"];
        assert!((7..=12).contains(&sent), "{sent}");
    }

    #[test]
    fn a_host_that_names_a_pause_gets_it() {
        let now = Instant::now();
        let mut board = board(&[("halo", 50)]);
        prove(&mut board, &["halo"], now);
        send(&mut board, 1, now);
        board.finish(&key("halo"), Lesson::Throttled(Some(Duration::from_secs(30))), now);
        assert!(send(&mut board, 10, now + Duration::from_secs(29)).is_empty());
        assert_eq!(send(&mut board, 10, now + Duration::from_secs(30))["halo"], 10);
    }

    #[test]
    fn a_host_with_more_than_it_can_take_leaves_room_for_others() {
        let mut board = board(&[("huge", HELD_PER_HOST)]);
        let more = Job { grant: key("huge one more"), connection: key("huge") };
        assert_eq!(board.add(more), Added::NoRoom);
        board.introduce(key("small"), "small", false);
        assert_eq!(board.add(Job { grant: key("small 0"), connection: key("small") }), Added::Waiting);
        assert_eq!(board.waiting(), HELD_PER_HOST + 1);
    }
}
